//! A fetch that breaks: what is asked for next, and what is made of the answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_client::{ByteRange, Client, ErrorKind, FetchOptions, Result};
use bytes::Bytes;

use crate::fake::{Request, SECRET, Turn, in_turn};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";
/// The SHA-256 of "hello world", in base64; its entity tag here.
const DIGEST: &str = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=";
const TAG: &str = "\"b94d27b9\"";

/// An answer of the fake server to a request for "hello world", as far as `body` goes.
fn head(status: &str, length: usize, fields: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\netag: {TAG}\r\n\
         repr-digest: sha-256=:{DIGEST}:\r\n{fields}\r\n"
    )
}

fn begun(body: &str) -> String {
    head("200 OK", 11, "") + body
}

fn partial(range: &str, length: usize, body: &str) -> String {
    let fields = format!("content-range: bytes {range}\r\n");
    head("206 Partial Content", length, &fields) + body
}

/// Everything that the stream gives, and what ended it.
async fn fetch(client: &Client, options: FetchOptions) -> (Vec<u8>, Result<()>) {
    let mut all = vec![];
    let mut fetched = match client.fetch_with(URI, options).await {
        Ok(fetched) => fetched,
        Err(error) => return (all, Err(error)),
    };
    loop {
        match fetched.next().await {
            Some(Ok(piece)) => all.extend_from_slice(&piece),
            Some(Err(error)) => {
                assert!(fetched.next().await.is_none(), "after its end");
                return (all, Err(error));
            }
            None => return (all, Ok(())),
        }
    }
}

async fn whole(turns: Vec<Turn>) -> (Vec<u8>, Result<()>, Vec<Request>) {
    let (builder, served) = in_turn(turns).await;
    // Long enough for a busy machine; the turns that stand still say how long they may.
    let client = builder
        .with_stall_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let (bytes, end) = fetch(&client, FetchOptions::default()).await;
    drop(client);
    (bytes, end, served.await.unwrap())
}

#[tokio::test]
async fn the_rest_is_asked_for_on_condition_of_the_same_bytes() {
    for broken in [Turn::Answer(begun("hello")), Turn::Silence(begun("hello"))] {
        let rest = Turn::Answer(partial("5-10/11", 6, " world"));
        let (bytes, end, requests) = whole(vec![broken, rest]).await;
        end.unwrap();
        assert_eq!(bytes, b"hello world");
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].header("range"), None);
        assert_eq!(requests[0].header("if-range"), None);
        assert_eq!(requests[1].header("range"), Some("bytes=5-10"));
        assert_eq!(requests[1].header("if-range"), Some(TAG));
        let bearer = format!("Bearer admin:{SECRET}");
        for request in &requests {
            assert_eq!(request.header("authorization"), Some(bearer.as_str()));
            assert_eq!(request.header("x-eden-experiment-id"), Some("exp-1"));
            assert_eq!(request.header("accept-encoding"), Some("identity"));
            let line = request.head.lines().next().unwrap();
            assert!(
                line.contains("?uri=eden%3A%2F%2Fartifacts%2F0011"),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn it_goes_on_from_every_byte_and_over_several_seams() {
    let text = "hello world";
    for first in 0..text.len() {
        for second in first..text.len() {
            let length = text.len() - first;
            let (bytes, end, requests) = whole(vec![
                Turn::Answer(begun(&text[..first])),
                Turn::Answer(partial(
                    &format!("{first}-10/11"),
                    length,
                    &text[first..second],
                )),
                Turn::Answer(partial(
                    &format!("{second}-10/11"),
                    text.len() - second,
                    &text[second..],
                )),
            ])
            .await;
            end.unwrap();
            assert_eq!(bytes, text.as_bytes(), "{first} {second}");
            let from = format!("bytes={second}-10");
            assert_eq!(requests[2].header("range"), Some(from.as_str()));
        }
    }
}

#[tokio::test]
async fn a_server_that_ignores_ranges_sends_it_all_again_and_nothing_is_delivered_twice() {
    let (bytes, end, _) = whole(vec![
        Turn::Answer(begun("hello")),
        Turn::Answer(begun("hel")),
        Turn::Answer(begun("hello world")),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
}

#[tokio::test]
async fn an_answer_that_holds_less_than_was_asked_for_is_gone_on_from() {
    let (bytes, end, requests) = whole(vec![
        Turn::Answer(begun("hello")),
        Turn::Answer(partial("5-7/11", 3, " wo")),
        Turn::Answer(partial("8-10/*", 3, "rld")),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
    assert_eq!(requests[2].header("range"), Some("bytes=8-10"));
}

#[tokio::test]
async fn another_artifact_under_the_uri_is_a_mismatch() {
    let other_tag = |text: String| text.replace(TAG, "\"another\"");
    let other_digest =
        |text: String| text.replace(DIGEST, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    let without_tag = |text: String| text.replace(&format!("etag: {TAG}\r\n"), "");
    let weak = |text: String| text.replace(TAG, &format!("W/{TAG}"));
    let rest = || partial("5-10/11", 6, " world");
    let again = || begun("hello world");
    for answer in [
        other_tag(rest()),
        other_digest(rest()),
        weak(rest()),
        other_tag(again()),
        other_digest(again()),
        weak(again()),
        // Without a tag nobody knows whether the condition held.
        without_tag(again()),
        begun("hello world!").replace("content-length: 11", "content-length: 12"),
        partial("5-11/12", 7, " world!"),
        head(
            "416 Range Not Satisfiable",
            0,
            "content-range: bytes */5\r\n",
        ),
    ] {
        let (bytes, end, requests) = whole(vec![
            Turn::Answer(begun("hello")),
            Turn::Answer(answer.clone()),
        ])
        .await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DigestMismatch, "{answer}\n{error}");
        assert_eq!(bytes, b"hello");
        assert_eq!(requests.len(), 2);
    }
}

#[tokio::test]
async fn other_bytes_under_the_same_tag_are_found_by_the_digest_over_the_seam() {
    let (bytes, end, _) = whole(vec![
        Turn::Answer(begun("hello")),
        Turn::Answer(partial("5-10/11", 6, " earth")),
    ])
    .await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::DigestMismatch);
    assert_eq!(bytes, b"hello earth");
}

#[tokio::test]
async fn an_answer_to_another_question_is_a_protocol_error() {
    let without_range = head("206 Partial Content", 6, "") + " world";
    for answer in [
        without_range,
        partial("4-10/11", 7, "o world"),
        partial("6-10/11", 5, "world"),
        partial("0-10/11", 11, "hello world"),
        partial("5-10/11", 7, " world!"),
        partial("5-10/11", 5, " worl"),
        partial("10-5/11", 6, " world"),
        partial("5-10", 6, " world"),
        head("416 Range Not Satisfiable", 0, ""),
    ] {
        let (bytes, end, _) = whole(vec![
            Turn::Answer(begun("hello")),
            Turn::Answer(answer.clone()),
        ])
        .await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer}\n{error}");
        assert_eq!(bytes, b"hello");
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_is_what_it_says() {
    for (status, kind) in [
        ("401 Unauthorized", ErrorKind::Unauthorized),
        ("403 Forbidden", ErrorKind::Forbidden),
        ("404 Not Found", ErrorKind::NotFound),
        ("500 Internal Server Error", ErrorKind::ServerFault),
        ("302 Found", ErrorKind::Protocol),
    ] {
        let (_, end, requests) = whole(vec![
            Turn::Answer(begun("hello")),
            Turn::Answer(head(status, 0, "")),
        ])
        .await;
        assert_eq!(end.unwrap_err().kind(), kind);
        assert_eq!(requests.len(), 2);
    }
}

#[tokio::test]
async fn tries_without_progress_are_bounded_and_progress_begins_the_count_anew() {
    // Three further tries are allowed. Each byte that arrives allows them again.
    let mut turns = vec![Turn::Answer(begun("h"))];
    let text = "hello world";
    for at in 1..text.len() {
        let length = text.len() - at;
        let range = format!("{at}-10/11");
        for _ in 0..2 {
            turns.push(Turn::Answer(partial(&range, length, "")));
        }
        turns.push(Turn::Answer(partial(&range, length, &text[at..=at])));
    }
    let (bytes, end, requests) = whole(turns).await;
    end.unwrap();
    assert_eq!(bytes, text.as_bytes());
    assert_eq!(requests.len(), 31);

    let nothing = || Turn::Answer(partial("5-10/11", 6, ""));
    let busy = || Turn::Answer(head("503 Service Unavailable", 0, "retry-after: 0\r\n"));
    for turns in [
        vec![nothing(), nothing(), nothing()],
        vec![nothing(), busy(), nothing()],
        vec![busy(), busy(), nothing()],
    ] {
        let mut turns = turns;
        turns.insert(0, Turn::Answer(begun("hello")));
        let (builder, served) = in_turn(turns).await;
        let client = builder.build().unwrap();
        let (bytes, end) = fetch(&client, FetchOptions::default()).await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(error.detail().contains("5 of 11 bytes"), "{error}");
        assert_eq!(bytes, b"hello");
        assert_eq!(served.await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn without_a_strong_tag_nothing_is_resumed() {
    for tag in ["", "etag: W/\"b94d27b9\"\r\n", "etag: b94d27b9\r\n"] {
        let begun = begun("hello").replace(&format!("etag: {TAG}\r\n"), tag);
        let (bytes, end, requests) = whole(vec![Turn::Answer(begun)]).await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(error.detail(), "5 of 11 bytes arrived");
        assert_eq!((bytes.len(), requests.len()), (5, 1));
    }
}

#[tokio::test]
async fn a_size_that_nobody_said_is_learnt_on_the_way() {
    let chunked = |body: &str| {
        let length = format!("content-length: {}\r\n", 11);
        begun("").replace(&length, "transfer-encoding: chunked\r\n") + body
    };
    let (bytes, end, requests) = whole(vec![
        Turn::Answer(chunked("5\r\nhello\r\n")),
        Turn::Answer(partial("5-10/11", 6, " w")),
        Turn::Answer(partial("7-10/11", 4, "orld")),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
    assert_eq!(requests[1].header("range"), Some("bytes=5-"));
    assert_eq!(requests[2].header("range"), Some("bytes=7-10"));
    // All of it was there, only its end was not.
    let at_its_end = head(
        "416 Range Not Satisfiable",
        0,
        "content-range: bytes */11\r\n",
    );
    let (bytes, end, _) = whole(vec![
        Turn::Answer(chunked("b\r\nhello world\r\n")),
        Turn::Answer(at_its_end),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
}

#[tokio::test]
async fn a_part_is_resumed_too_and_its_progress_is_told() {
    let (builder, served) = in_turn(vec![
        Turn::Answer(partial("2-8/11", 7, "llo")),
        Turn::Answer(begun("hello")),
        Turn::Answer(begun("hello world")),
    ])
    .await;
    let told = Arc::new(Mutex::new(vec![]));
    let options = {
        let told = Arc::clone(&told);
        FetchOptions::default()
            .with_range(ByteRange::FromTo { first: 2, last: 8 })
            .with_progress(move |p| told.lock().unwrap().push((p.bytes, p.total)))
    };
    let (bytes, end) = fetch(&builder.build().unwrap(), options).await;
    end.unwrap();
    assert_eq!(bytes, b"llo wor");
    let requests = served.await.unwrap();
    assert_eq!(requests[0].header("range"), Some("bytes=2-8"));
    assert_eq!(requests[1].header("range"), Some("bytes=5-8"));
    let told = told.lock().unwrap();
    assert!(told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(7, Some(7))));
}

#[tokio::test]
async fn a_dropped_next_loses_nothing() {
    let (builder, _served) = in_turn(vec![
        Turn::Answer(begun("hello")),
        Turn::Answer(partial("5-10/11", 6, " world")),
    ])
    .await;
    let client = builder.build().unwrap();
    let mut fetched = client.fetch(URI).await.unwrap();
    let mut all: Vec<Bytes> = vec![];
    loop {
        // Polled once and dropped, again and again, also in the middle of the second request.
        let once = futures_util::future::poll_immediate(fetched.next()).await;
        match once {
            Some(Some(piece)) => all.push(piece.unwrap()),
            Some(None) => break,
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(all.concat(), b"hello world");
}
