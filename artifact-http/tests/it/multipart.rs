//! What a deposit's body may be, and that anything else is 400 and leaves nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use proptest::collection::vec;
use proptest::prelude::{any, prop_assume, proptest};
use proptest::sample::{Index, select};

use crate::support::{BOUNDARY, FILE, Reply, Site, Who, deposit_as, form, noise};

async fn post(site: &Site, body: impl Into<Body>) -> Reply {
    let request = deposit_as(Who::Worker).body(body.into()).unwrap();
    site.send(request).await
}

/// A body in frames of this length, and a count of the bytes that were taken from it.
fn frames(bytes: Vec<u8>, length: usize) -> (Body, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let bytes = Bytes::from(bytes);
    let pieces = (0..bytes.len()).step_by(length).map(move |at| {
        let piece = bytes.slice(at..bytes.len().min(at + length));
        counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok::<_, Infallible>(piece)
    });
    (Body::from_stream(stream::iter(pieces)), taken)
}

fn part(disposition: &str, more: &str) -> String {
    format!("Content-Disposition: {disposition}\r\n{more}")
}

#[tokio::test]
async fn anything_but_one_file_is_refused_and_leaves_nothing() {
    let site = Site::new().await;
    let good = form(&[(FILE, b"bytes")]);
    let end = format!("--{BOUNDARY}--\r\n");
    let with = |head: &str| form(&[(head, b"bytes")]);
    let headers = |count: usize| {
        let lines = (0..count).fold(String::new(), |lines, n| lines + &format!("x-{n}: y\r\n"));
        with(&format!("{FILE}{lines}"))
    };
    let many = |count: usize| form(&vec![(FILE, &b""[..]); count]);
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("an empty body", Vec::new()),
        ("only the end", end.clone().into_bytes()),
        ("json", b"{\"file\": 1}".to_vec()),
        ("two files", form(&[(FILE, b"a"), (FILE, b"b")])),
        (
            "an extra field",
            form(&[(FILE, b"a"), (&part("form-data; name=\"note\"", ""), b"b")]),
        ),
        (
            "a field before it",
            form(&[(&part("form-data; name=\"note\"", ""), b"b"), (FILE, b"a")]),
        ),
        (
            "another name",
            with(&part("form-data; name=\"f\"; filename=\"f\"", "")),
        ),
        ("no name", with(&part("form-data; filename=\"f\"", ""))),
        (
            "name* is no name",
            with(&part("form-data; name*=UTF-8''file; filename=\"f\"", "")),
        ),
        ("no filename", with(&part("form-data; name=\"file\"", ""))),
        (
            "filename* is no filename",
            with(&part("form-data; name=\"file\"; filename*=UTF-8''f", "")),
        ),
        ("no disposition", with("Content-Type: text/plain\r\n")),
        ("no header at all", with("")),
        (
            "base64",
            with(&format!("{FILE}Content-Transfer-Encoding: base64\r\n")),
        ),
        (
            "a header without a colon",
            with(&format!("{FILE}nonsense\r\n")),
        ),
        ("33 headers", headers(33)),
        ("10,000 headers", headers(10_000)),
        ("10,000 parts", many(10_000)),
        (
            "another boundary",
            String::from_utf8(good.clone())
                .unwrap()
                .replace(BOUNDARY, "other")
                .into(),
        ),
        (
            "a filename of 64 KiB",
            with(&part(
                &format!(
                    "form-data; name=\"file\"; filename=\"{}\"",
                    "f".repeat(64 << 10)
                ),
                "",
            )),
        ),
        (
            "a preamble of 1 MiB",
            [vec![b'p'; 1 << 20], good.clone()].concat(),
        ),
        (
            "a header of 1 MiB",
            with(&format!("{FILE}x: {}\r\n", "h".repeat(1 << 20))),
        ),
        ("bytes behind the end", [&good[..], b"more"].concat()),
        ("a whole form behind the end", [&good[..], &good].concat()),
        ("a second end", [&good[..], end.as_bytes()].concat()),
        (
            "spaces of 64 KiB behind the end",
            [good.clone(), vec![b' '; 64 << 10]].concat(),
        ),
    ];
    // Cut at every byte: only the last CRLF may be missing.
    for at in 0..good.len() - 2 {
        cases.push(("cut short", good[..at].to_vec()));
    }
    for (name, body) in cases {
        // In one piece, and in one frame a byte where that does not take the test's whole time.
        for length in [body.len().max(1), 1] {
            if length == 1 && body.len() > 70 << 10 {
                continue;
            }
            let reply = post(&site, frames(body.clone(), length).0).await;
            reply.assert_problem(400, "bad-request", name);
            site.assert_empty(name).await;
        }
    }
    assert_eq!(site.calls(), 0, "the backend was asked");
}

#[tokio::test]
async fn bodies_that_parsers_read_differently_are_refused() {
    let site = Site::new().await;
    let file = "name=\"file\"; filename=\"f\"";
    let with = |lines: &str| form(&[(&format!("{FILE}{lines}\r\n"), b"bytes")]);
    let disposed = |value: &str| form(&[(&part(value, ""), b"bytes")]);
    let good = String::from_utf8(form(&[(FILE, b"bytes")])).unwrap();
    let delimiter = format!("--{BOUNDARY}");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a bare LF as the empty line",
            good.replacen("\r\n\r\n", "\n\n", 1).into(),
            "bare CR or LF",
        ),
        (
            "a bare LF in front of a boundary in the file",
            form(&[(FILE, format!("a\n{delimiter}--\r\nb").as_bytes())]),
            "bare CR or LF",
        ),
        (
            "a boundary within a line",
            format!("x{good}").into(),
            "start of a line",
        ),
        (
            "two dispositions",
            with("Content-Disposition: form-data; name=\"x\""),
            "twice",
        ),
        (
            "two types",
            with("Content-Type: a/b\r\nContent-Type: a/b"),
            "twice",
        ),
        (
            "two encodings",
            with("Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 8bit"),
            "twice",
        ),
        (
            "two names",
            disposed(&format!("form-data; {file}; name=\"file\"")),
            "two names",
        ),
        (
            "two file names",
            disposed(&format!("form-data; {file}; filename=\"g\"")),
            "two file names",
        ),
        (
            "another disposition",
            disposed(&format!("attachment; {file}")),
            "form-data",
        ),
        (
            "a file name within a quoted string",
            disposed("form-data; name=\"file\"; x=\"; filename=evil\""),
            "no filename",
        ),
    ];
    for (name, body, detail) in cases {
        for length in [body.len(), 1] {
            let reply = post(&site, frames(body.clone(), length).0).await;
            reply.assert_problem(400, "bad-request", name);
            assert!(reply.text().contains(detail), "{name}: {}", reply.text());
            site.assert_empty(name).await;
        }
    }
    let latin_1 = [
        &b"Content-Disposition: form-data; name=\"file\"; filename=\"na\xefve\"\r\n"[..],
        &good.as_bytes()[good.find("\r\n\r\n").unwrap() + 2..],
    ];
    let body = [delimiter.as_bytes(), b"\r\n", &latin_1.concat()].concat();
    let reply = post(&site, body).await;
    reply.assert_problem(400, "bad-request", "a file name in Latin-1");
    assert!(reply.text().contains("not UTF-8"), "{}", reply.text());
}

#[tokio::test]
async fn headers_that_clients_write_are_accepted() {
    let site = Site::new().await;
    for value in [
        "form-data; name=\"file\";\r\n filename=\"a long name\"",
        "form-data; name=\"file\"; filename=\"C:\\dir\\\"",
        "form-data; name=\"file\"; filename*=UTF-8''e; filename=\"f\"",
        "form-data; NAME=\"file\"; Filename=\"f\"",
        "form-data ;\tname=\"file\" ; filename=\"f\"",
    ] {
        let body = form(&[(&part(value, ""), b"bytes")]);
        for length in [body.len(), 1] {
            let reply = post(&site, frames(body.clone(), length).0).await;
            assert_eq!(reply.status, 201, "{value}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn bytes_behind_a_large_artifact_are_refused_too() {
    // Past the size that is collected in memory, so the backend has an upload to take back.
    let site = Site::new().await;
    let good = form(&[(FILE, &noise(300_000))]);
    for more in [&b"more"[..], &good[..200]] {
        for length in [7, 1000, 65_536, 1 << 20] {
            let body = [&good[..], more].concat();
            let reply = post(&site, frames(body, length).0).await;
            reply.assert_problem(400, "bad-request", "behind the end");
            site.assert_empty("behind the end").await;
        }
    }
}

#[tokio::test]
async fn frames_of_any_length_carry_the_same_bytes() {
    let site = Site::new().await;
    for size in [0, 1, 100, 65_536, 65_537, 200_000] {
        let bytes = noise(size);
        for length in [1, 2, 3, 17, 1024, 65_535, 1 << 20] {
            if size / length > 100_000 {
                continue;
            }
            let reply = post(&site, frames(form(&[(FILE, &bytes)]), length).0).await;
            assert_eq!(reply.status, 201, "{size} in {length}: {}", reply.text());
            let uri = reply.json()["artifacts_uri"].as_str().unwrap().to_owned();
            let back = site.get(Who::Worker, &uri, &[]).await;
            assert_eq!(back.status, 200);
            assert!(back.body == bytes, "{size} in frames of {length}");
        }
    }
}

#[tokio::test]
async fn optional_syntax_around_the_part_is_accepted() {
    let site = Site::new().await;
    let good = form(&[(FILE, b"bytes")]);
    let end = good.len() - 2;
    let quoted = part("form-data; filename=\"f\"; name=\"file\"", "");
    let bodies = [
        ("no CRLF at the end", good[..end].to_vec()),
        (
            "blank lines at the end",
            [&good[..], b"\r\n \t\r\n"].concat(),
        ),
        ("a preamble", [b"hello\r\n", &good[..]].concat()),
        (
            "a preamble with an empty line",
            [b"a\r\n\r\nb\r\n\r\n", &good[..]].concat(),
        ),
        (
            "a preamble of nearly the budget",
            [&vec![b'p'; 16_000][..], b"\r\n", &good].concat(),
        ),
        ("the name last", form(&[(&quoted, b"bytes")])),
        (
            "no type",
            form(&[(
                &part("form-data; name=\"file\"; filename=\"\"", ""),
                b"bytes",
            )]),
        ),
        (
            "nested multipart",
            form(&[(
                &part(
                    "form-data; name=\"file\"; filename=\"f\"",
                    "Content-Type: multipart/mixed; boundary=in\r\n",
                ),
                b"--in\r\n\r\nx\r\n--in--\r\n",
            )]),
        ),
        (
            "32 headers",
            form(&[(
                &(0..30).fold(FILE.to_owned(), |head, n| format!("{head}x-{n}: y\r\n")),
                b"bytes",
            )]),
        ),
    ];
    for (name, body) in bodies {
        for length in [body.len(), 5, 1] {
            let reply = post(&site, frames(body.clone(), length).0).await;
            assert_eq!(reply.status, 201, "{name} in {length}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn little_is_read_of_a_body_without_a_part() {
    let site = Site::new().await;
    let endless: [(&str, Vec<u8>); 3] = [
        ("preamble", vec![b'p'; 4 << 20]),
        ("empty lines", b"\r\n".repeat(2 << 20)),
        (
            "header",
            format!("--{BOUNDARY}\r\nx: {}", "h".repeat(4 << 20)).into_bytes(),
        ),
    ];
    for (name, body) in endless {
        for length in [1, 512, 8 << 10] {
            let (body, taken) = frames(body.clone(), length);
            let reply = post(&site, body).await;
            reply.assert_problem(400, "bad-request", name);
            let read = taken.load(Ordering::Relaxed);
            assert!(read <= (16 << 10) + 2 * length as u64 + 2, "{name}: {read}");
        }
    }
}

#[tokio::test]
async fn what_lies_far_behind_the_end_is_looked_at_too() {
    // Frames so large that they are not put together: the last ones never reach the parser.
    let site = Site::new().await;
    let blank = [form(&[(FILE, &noise(20_000))]), vec![b' '; 15_900]].concat();
    for length in [8 << 10, 10_000, 16 << 10] {
        let reply = post(&site, frames([&blank[..], b"x"].concat(), length).0).await;
        reply.assert_problem(400, "bad-request", "a letter behind the spaces");
        assert!(reply.text().contains("last boundary"), "{}", reply.text());
        site.assert_empty("a letter behind the spaces").await;
    }
    for length in [8 << 10, 10_000, 16 << 10] {
        let reply = post(&site, frames(blank.clone(), length).0).await;
        assert_eq!(reply.status, 201, "{length}: {}", reply.text());
    }
}

proptest! {
    /// Whatever the bytes are and however they are cut, the same come back; cut short, nothing does.
    #[test]
    fn any_bytes_in_any_frames(
        words in vec(select(WORDS), 0..200),
        cuts in vec(1_usize..3000, 1..20),
        short in any::<Index>(),
    ) {
        let bytes = words.concat();
        // What no client may have in its bytes; RFC 2046, section 5.1.1.
        let delimiter = format!("\r\n--{BOUNDARY}").into_bytes();
        prop_assume!(!bytes.windows(delimiter.len()).any(|here| here == delimiter));
        let whole = form(&[(FILE, &bytes)]);
        // Without the last CRLF nothing is missing, so a cut is before that.
        let short = whole[..short.index(whole.len() - 2)].to_vec();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let site = Site::new().await;
            let reply = post(&site, cut(short, cuts.clone())).await;
            reply.assert_problem(400, "bad-request", "cut short");
            site.assert_empty("cut short").await;
            let reply = post(&site, cut(whole, cuts.clone())).await;
            assert_eq!(reply.status, 201, "{}", reply.text());
            let uri = reply.json()["artifacts_uri"].as_str().unwrap().to_owned();
            assert_eq!(site.get(Who::Worker, &uri, &[]).await.body, bytes);
        });
    }
}

/// What bodies are made of: what delimiters are made of, and what is nearly one.
const WORDS: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"\r\n--",
    b"-",
    b"xXx-boundary-xX",
    b"\r\n--xXx-",
    b" --xXx-boundary-xXx",
    b"\0",
    b"\xff",
    b"plain words",
    &[b'z'; 5000],
];

/// A body cut at these lengths, over and over.
fn cut(bytes: Vec<u8>, lengths: Vec<usize>) -> Body {
    let mut bytes = Bytes::from(bytes);
    let mut lengths = lengths.into_iter().cycle();
    Body::from_stream(stream::iter(std::iter::from_fn(move || {
        let length = lengths.next()?.min(bytes.len());
        (!bytes.is_empty()).then(|| Ok::<_, Infallible>(bytes.split_to(length)))
    })))
}

#[tokio::test]
async fn little_is_read_behind_the_end() {
    let site = Site::new().await;
    let body = [form(&[(FILE, b"bytes")]), vec![b' '; 4 << 20]].concat();
    let (body, taken) = frames(body, 4 << 10);
    post(&site, body)
        .await
        .assert_problem(400, "bad-request", "spaces");
    let read = taken.load(Ordering::Relaxed);
    assert!(read <= 200 << 10, "{read}");
}

#[tokio::test]
async fn the_content_type_of_the_request_names_one_boundary() {
    let site = Site::new().await;
    let send = async |types: &[&str], body: Vec<u8>| {
        let mut request = deposit_as(Who::Worker).body(Body::from(body)).unwrap();
        request.headers_mut().remove("content-type");
        for value in types {
            request
                .headers_mut()
                .append("content-type", value.parse().unwrap());
        }
        site.send(request).await
    };
    let of = |boundary: &str| {
        let form = String::from_utf8(form(&[(FILE, b"b")])).unwrap();
        form.replace(BOUNDARY, boundary).into_bytes()
    };
    let long = "b".repeat(71);
    let long_type = format!("multipart/form-data; boundary={long}");
    let twice = "multipart/form-data; boundary=a; boundary=a";
    let refused: [(&[&str], &str); 10] = [
        (&[], "a"),
        (&["application/json"], "a"),
        (&["multipart/mixed; boundary=a"], "a"),
        (&["application/octet-stream"], "a"),
        (&["multipart/form-data"], "a"),
        (&["multipart/form-data; boundary="], ""),
        (&["multipart/form-data; boundary=\"\""], ""),
        (&[twice], "a"),
        (
            &[
                "multipart/form-data; boundary=a",
                "multipart/form-data; boundary=a",
            ],
            "a",
        ),
        (&[&long_type], &long),
    ];
    for (types, boundary) in refused {
        let reply = send(types, of(boundary)).await;
        reply.assert_problem(400, "bad-request", &format!("{types:?}"));
    }
    site.assert_empty("no boundary").await;

    let longest = "b".repeat(70);
    let taken = [
        ("multipart/form-data; boundary=a".to_owned(), "a"),
        (
            "Multipart/Form-Data; charset=utf-8; Boundary=\"a\"".to_owned(),
            "a",
        ),
        ("multipart/form-data ;\tboundary=a".to_owned(), "a"),
        (format!("multipart/form-data; boundary={longest}"), &longest),
    ];
    for (value, boundary) in taken {
        let reply = send(&[&value], of(boundary)).await;
        assert_eq!(reply.status, 201, "{value}: {}", reply.text());
    }
}
