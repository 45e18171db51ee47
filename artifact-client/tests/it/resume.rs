//! Fetches whose connection breaks: the next request, and how its response is used.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_client::{ByteRange, Client, ErrorKind, FetchOptions, Result};
use bytes::Bytes;

use crate::server::{Reply, Request, SECRET, server_with_replies};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";
/// The SHA-256 of "hello world" in base64, and an entity tag for it.
const DIGEST: &str = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=";
const TAG: &str = "\"b94d27b9\"";

/// Formats the head of a response to a request for "hello world".
fn head(status: &str, length: usize, fields: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\netag: {TAG}\r\n\
         repr-digest: sha-256=:{DIGEST}:\r\n{fields}\r\n"
    )
}

fn full(body: &str) -> String {
    head("200 OK", 11, "") + body
}

fn partial(range: &str, length: usize, body: &str) -> String {
    let fields = format!("content-range: bytes {range}\r\n");
    head("206 Partial Content", length, &fields) + body
}

/// Returns all bytes of the stream and how it ended.
async fn fetch(client: &Client, options: FetchOptions) -> (Vec<u8>, Result<()>) {
    let mut all = vec![];
    let mut fetched = match client.fetch_with(URI, options).await {
        Ok(fetched) => fetched,
        Err(error) => return (all, Err(error)),
    };
    loop {
        match fetched.next().await {
            Some(Ok(chunk)) => all.extend_from_slice(&chunk),
            Some(Err(error)) => {
                assert!(
                    fetched.next().await.is_none(),
                    "the stream must be at its end after an error"
                );
                return (all, Err(error));
            }
            None => return (all, Ok(())),
        }
    }
}

async fn fetch_whole(replies: Vec<Reply>) -> (Vec<u8>, Result<()>, Vec<Request>) {
    let (builder, served) = server_with_replies(replies).await;
    // Long enough for a busy machine, and short for the tests with a stalled connection.
    let client = builder
        .with_stall_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let (bytes, end) = fetch(&client, FetchOptions::default()).await;
    drop(client);
    (bytes, end, served.await.unwrap())
}

#[tokio::test]
async fn the_rest_is_requested_with_if_range() {
    for broken in [Reply::Send(full("hello")), Reply::Stall(full("hello"))] {
        let rest = Reply::Send(partial("5-10/11", 6, " world"));
        let (bytes, end, requests) = fetch_whole(vec![broken, rest]).await;
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
async fn transfers_resume_at_every_byte_and_several_times() {
    let text = "hello world";
    for first in 0..text.len() {
        for second in first..text.len() {
            let length = text.len() - first;
            let (bytes, end, requests) = fetch_whole(vec![
                Reply::Send(full(&text[..first])),
                Reply::Send(partial(
                    &format!("{first}-10/11"),
                    length,
                    &text[first..second],
                )),
                Reply::Send(partial(
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
async fn no_byte_is_delivered_twice_if_the_server_ignores_ranges() {
    let (bytes, end, _) = fetch_whole(vec![
        Reply::Send(full("hello")),
        Reply::Send(full("hel")),
        Reply::Send(full("hello world")),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
}

#[tokio::test]
async fn a_shorter_part_than_requested_is_continued() {
    let (bytes, end, requests) = fetch_whole(vec![
        Reply::Send(full("hello")),
        Reply::Send(partial("5-7/11", 3, " wo")),
        Reply::Send(partial("8-10/*", 3, "rld")),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
    assert_eq!(requests[2].header("range"), Some("bytes=8-10"));
}

#[tokio::test]
async fn a_replaced_artifact_is_reported_as_digest_mismatch() {
    let other_tag = |text: String| text.replace(TAG, "\"another\"");
    let other_digest =
        |text: String| text.replace(DIGEST, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    let without_tag = |text: String| text.replace(&format!("etag: {TAG}\r\n"), "");
    let weak = |text: String| text.replace(TAG, &format!("W/{TAG}"));
    let rest = || partial("5-10/11", 6, " world");
    let again = || full("hello world");
    for reply in [
        other_tag(rest()),
        other_digest(rest()),
        weak(rest()),
        other_tag(again()),
        other_digest(again()),
        weak(again()),
        // Without a tag it is unknown whether the condition was true.
        without_tag(again()),
        full("hello world!").replace("content-length: 11", "content-length: 12"),
        partial("5-11/12", 7, " world!"),
        head(
            "416 Range Not Satisfiable",
            0,
            "content-range: bytes */5\r\n",
        ),
    ] {
        let (bytes, end, requests) =
            fetch_whole(vec![Reply::Send(full("hello")), Reply::Send(reply.clone())]).await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DigestMismatch, "{reply}\n{error}");
        assert_eq!(bytes, b"hello");
        assert_eq!(requests.len(), 2);
    }
}

#[tokio::test]
async fn changed_bytes_under_the_same_tag_are_detected_by_the_digest() {
    let (bytes, end, _) = fetch_whole(vec![
        Reply::Send(full("hello")),
        Reply::Send(partial("5-10/11", 6, " earth")),
    ])
    .await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::DigestMismatch);
    assert_eq!(bytes, b"hello earth");
}

#[tokio::test]
async fn responses_with_wrong_ranges_are_protocol_errors() {
    let without_range = head("206 Partial Content", 6, "") + " world";
    for reply in [
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
        let (bytes, end, _) =
            fetch_whole(vec![Reply::Send(full("hello")), Reply::Send(reply.clone())]).await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{reply}\n{error}");
        assert_eq!(bytes, b"hello");
    }
}

#[tokio::test]
async fn error_responses_to_a_resumed_request_are_returned() {
    for (status, kind) in [
        ("401 Unauthorized", ErrorKind::Unauthorized),
        ("403 Forbidden", ErrorKind::Forbidden),
        ("404 Not Found", ErrorKind::NotFound),
        ("500 Internal Server Error", ErrorKind::ServerFault),
        ("302 Found", ErrorKind::Protocol),
    ] {
        let (_, end, requests) = fetch_whole(vec![
            Reply::Send(full("hello")),
            Reply::Send(head(status, 0, "")),
        ])
        .await;
        assert_eq!(end.unwrap_err().kind(), kind);
        assert_eq!(requests.len(), 2);
    }
}

#[tokio::test]
async fn retries_without_progress_are_limited_and_progress_resets_the_count() {
    // Three retries are allowed. Each byte that arrives resets the count.
    let mut replies = vec![Reply::Send(full("h"))];
    let text = "hello world";
    for at in 1..text.len() {
        let length = text.len() - at;
        let range = format!("{at}-10/11");
        for _ in 0..2 {
            replies.push(Reply::Send(partial(&range, length, "")));
        }
        replies.push(Reply::Send(partial(&range, length, &text[at..=at])));
    }
    let (bytes, end, requests) = fetch_whole(replies).await;
    end.unwrap();
    assert_eq!(bytes, text.as_bytes());
    assert_eq!(requests.len(), 31);

    let no_bytes = || Reply::Send(partial("5-10/11", 6, ""));
    let busy = || Reply::Send(head("503 Service Unavailable", 0, "retry-after: 0\r\n"));
    for replies in [
        vec![no_bytes(), no_bytes(), no_bytes()],
        vec![no_bytes(), busy(), no_bytes()],
        vec![busy(), busy(), no_bytes()],
    ] {
        let mut replies = replies;
        replies.insert(0, Reply::Send(full("hello")));
        let (builder, served) = server_with_replies(replies).await;
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
async fn transfers_without_a_strong_tag_are_not_resumed() {
    for tag in ["", "etag: W/\"b94d27b9\"\r\n", "etag: b94d27b9\r\n"] {
        let reply = full("hello").replace(&format!("etag: {TAG}\r\n"), tag);
        let (bytes, end, requests) = fetch_whole(vec![Reply::Send(reply)]).await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(error.detail(), "5 of 11 bytes arrived");
        assert_eq!((bytes.len(), requests.len()), (5, 1));
    }
}

#[tokio::test]
async fn the_size_can_come_from_a_later_response() {
    let chunked = |body: &str| {
        let length = format!("content-length: {}\r\n", 11);
        full("").replace(&length, "transfer-encoding: chunked\r\n") + body
    };
    let (bytes, end, requests) = fetch_whole(vec![
        Reply::Send(chunked("5\r\nhello\r\n")),
        Reply::Send(partial("5-10/11", 6, " w")),
        Reply::Send(partial("7-10/11", 4, "orld")),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
    assert_eq!(requests[1].header("range"), Some("bytes=5-"));
    assert_eq!(requests[2].header("range"), Some("bytes=7-10"));
    // All bytes arrived; only the last chunk of the encoding is missing.
    let at_its_end = head(
        "416 Range Not Satisfiable",
        0,
        "content-range: bytes */11\r\n",
    );
    let (bytes, end, _) = fetch_whole(vec![
        Reply::Send(chunked("b\r\nhello world\r\n")),
        Reply::Send(at_its_end),
    ])
    .await;
    end.unwrap();
    assert_eq!(bytes, b"hello world");
}

#[tokio::test]
async fn partial_fetches_are_resumed_and_report_progress() {
    let (builder, served) = server_with_replies(vec![
        Reply::Send(partial("2-8/11", 7, "llo")),
        Reply::Send(full("hello")),
        Reply::Send(full("hello world")),
    ])
    .await;
    let reported = Arc::new(Mutex::new(vec![]));
    let options = {
        let reported = Arc::clone(&reported);
        FetchOptions::default()
            .with_range(ByteRange::FromTo { first: 2, last: 8 })
            .with_progress(move |p| reported.lock().unwrap().push((p.bytes, p.total)))
    };
    let (bytes, end) = fetch(&builder.build().unwrap(), options).await;
    end.unwrap();
    assert_eq!(bytes, b"llo wor");
    let requests = served.await.unwrap();
    assert_eq!(requests[0].header("range"), Some("bytes=2-8"));
    assert_eq!(requests[1].header("range"), Some("bytes=5-8"));
    let reported = reported.lock().unwrap();
    assert!(reported.is_sorted(), "{reported:?}");
    assert_eq!(reported.last(), Some(&(7, Some(7))));
}

#[tokio::test]
async fn dropping_next_loses_no_data() {
    let (builder, _served) = server_with_replies(vec![
        Reply::Send(full("hello")),
        Reply::Send(partial("5-10/11", 6, " world")),
    ])
    .await;
    let client = builder.build().unwrap();
    let mut fetched = client.fetch(URI).await.unwrap();
    let mut all: Vec<Bytes> = vec![];
    loop {
        // Polls once and drops the future, repeatedly, also during the second request.
        let polled = futures_util::future::poll_immediate(fetched.next()).await;
        match polled {
            Some(Some(chunk)) => all.push(chunk.unwrap()),
            Some(None) => break,
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(all.concat(), b"hello world");
}
