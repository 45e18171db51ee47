//! Tests the cost of hostile forms: how many bytes and frames are read, and how often the body is polled.
//! The number of bytes read also bounds the memory, because nothing is copied twice.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::support::{BOUNDARY, FILE, Reply, Site, Who, deposit_as, form};

/// The maximum number of bytes outside the part; see D-2.
const BUDGET: u64 = 16 << 10;
/// The size of a hostile body. A test that reads it to the end fails, because it counts the bytes.
const ENDLESS: u64 = 64 << 20;

/// A body that consists of `head`, followed by `filler` repeated without end.
#[derive(Debug, Clone)]
struct Hostile {
    name: &'static str,
    head: Vec<u8>,
    filler: Vec<u8>,
}

fn hostile(name: &'static str, head: impl Into<Vec<u8>>, filler: impl Into<Vec<u8>>) -> Hostile {
    let (head, filler) = (head.into(), filler.into());
    Hostile { name, head, filler }
}

#[derive(Debug, Default)]
struct Cost {
    read: AtomicU64,
    frames: AtomicU64,
    polls: AtomicU64,
}

/// Returns a body of 64 MiB in frames of this length. A frame is created only when it is polled.
fn endless(hostile: &Hostile, length: usize, cost: &Arc<Cost>) -> Body {
    let (head, filler) = (hostile.head.clone(), hostile.filler.clone());
    let cost = Arc::clone(cost);
    let mut at = 0_u64;
    let frames = std::iter::from_fn(move || {
        if at >= ENDLESS {
            return None;
        }
        let byte = |at: u64| {
            let at = usize::try_from(at).unwrap();
            let behind = at.checked_sub(head.len());
            behind.map_or_else(|| head[at], |behind| filler[behind % filler.len()])
        };
        let frame: Bytes = (at..at + length as u64).map(byte).collect();
        at += length as u64;
        cost.read.fetch_add(length as u64, Ordering::Relaxed);
        cost.frames.fetch_add(1, Ordering::Relaxed);
        Some(Ok::<_, Infallible>(frame))
    });
    Body::from_stream(stream::iter(frames))
}

async fn counted(site: &Site, request: Request<Body>, cost: &Cost) -> Reply {
    let mut served = pin!(site.router.clone().oneshot(request));
    let response = poll_fn(|context| {
        cost.polls.fetch_add(1, Ordering::Relaxed);
        served.as_mut().poll(context)
    })
    .await
    .unwrap();
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

fn table() -> Vec<Hostile> {
    let open = format!("--{BOUNDARY}\r\n");
    let part = |disposition: &str| format!("{open}Content-Disposition: {disposition}\r\n");
    let whole = form(&[(FILE, b"bytes")]);
    vec![
        hostile("a preamble", "", "p"),
        hostile("a preamble of lines", "", "line\r\n"),
        hostile("a preamble of empty lines", "", "\r\n"),
        hostile("a preamble of hyphens", "", "-"),
        hostile(
            "a preamble of near boundaries",
            "",
            &open.as_bytes()[..open.len() - 3],
        ),
        hostile("one header", format!("{open}x: "), "h"),
        hostile("one name of a header", open.clone(), "h"),
        hostile("headers", open.clone(), "x: y\r\n"),
        hostile("parts", "", form(&[(FILE, b"")])),
        hostile("parts without an end", "", format!("{open}{FILE}\r\n\r\n")),
        hostile(
            "a filename",
            part("form-data; name=\"file\"; filename=\"").trim_end(),
            "f",
        ),
        hostile(
            "a filename*",
            part("form-data; name=\"file\"; filename=\"f\"; filename*=").trim_end(),
            "%41",
        ),
        hostile(
            "quotes",
            part("form-data; name=\"file\"; filename=").trim_end(),
            "\"\\",
        ),
        hostile(
            "delimiters in one header",
            format!("{open}x: "),
            format!("--{BOUNDARY} "),
        ),
        hostile("spaces behind the end", whole.clone(), " "),
        hostile("lines behind the end", whole.clone(), "\r\n"),
        hostile("letters behind the end", whole.clone(), "x"),
        hostile("forms behind the end", whole.clone(), whole),
    ]
}

#[tokio::test]
async fn a_form_without_an_end_costs_no_more_than_the_budget() {
    let site = Site::new().await;
    for case in table() {
        for length in [1, 7, 4 << 10, 64 << 10] {
            let why = format!("{} in frames of {length}", case.name);
            let cost = Arc::new(Cost::default());
            let body = endless(&case, length, &cost);
            let request = deposit_as(Who::Worker).body(body).unwrap();
            let reply = counted(&site, request, &cost).await;
            reply.assert_problem(400, "bad-request", &why);
            site.assert_empty(&why).await;

            let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let (read, frames, polls) = (load(&cost.read), load(&cost.frames), load(&cost.polls));
            // Behind the part, frames below 8 KiB are put together up to 64 KiB before they are
            // looked at, and the parser has a piece in hand beyond the one with the end.
            let most = BUDGET + 2 * (64 << 10) + 2 * length as u64;
            assert!(read <= most, "{why}: {read} bytes were read");
            if !case.name.contains("behind") && !case.name.contains("parts") {
                let most = BUDGET + 2 * length as u64;
                assert!(read <= most, "{why}: {read} bytes were read");
            }
            assert_eq!(frames, read.div_ceil(length as u64), "{why}");
            // A poll takes a piece, and pauses after it; it does not take one for each frame.
            assert!(
                polls <= 64 + read / 1024,
                "{why}: {polls} polls of {read} bytes"
            );
        }
    }
    assert_eq!(site.calls(), 0, "the backend was asked");
}

#[tokio::test]
async fn names_of_files_do_no_harm() {
    let site = Site::new().await;
    let table = [
        ("../../etc/passwd", Some("passwd")),
        ("C:\\dir\\name.txt", None),
        ("/", None),
        ("..", None),
        ("a\u{202e}gpj.exe", None),
        ("a%22b", None),
        ("semi;colon", None),
    ];
    for (given, expected) in table {
        let uri = site
            .put_part(Who::Worker, &format!("filename=\"{given}\""), "a/b", b"x")
            .await;
        let reply = site.get(Who::Worker, &uri, &[]).await;
        let disposition = reply.header("content-disposition");
        assert!(disposition.starts_with("attachment"), "{disposition}");
        assert!(
            disposition.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{disposition}"
        );
        for harm in ["/", "\\", "..\"", "%2F", "%5C..", "\u{202e}"] {
            assert!(!disposition.contains(harm), "{given}: {disposition}");
        }
        if let Some(expected) = expected {
            assert_eq!(disposition, format!("attachment; filename=\"{expected}\""));
        }
    }
    // Raw control characters in a header of the part end the request, not the header.
    for raw in ["a\r\nb", "a\nb", "a\0b", "a\rb"] {
        let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{raw}\"\r\n");
        let body = Body::from(form(&[(&head, b"x")]));
        let reply = site.send(deposit_as(Who::Worker).body(body).unwrap()).await;
        assert_eq!(reply.status, 400, "{raw:?}: {}", reply.text());
    }
}
