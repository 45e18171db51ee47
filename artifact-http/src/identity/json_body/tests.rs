//! Which bodies are accepted.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use serde::Deserialize;

use super::{LIMIT, StringMap, parse, present, read};
use crate::identity::utf8_field::Utf8Field;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    #[serde(default, deserialize_with = "present")]
    name: Option<Utf8Field>,
    #[serde(default, deserialize_with = "present")]
    labels: Option<StringMap>,
    #[serde(default, deserialize_with = "present")]
    many: Option<Vec<String>>,
}

#[test]
fn objects_are_read() {
    let full =
        "\r\n\t {\"name\": \"a\", \"labels\": {\"k\": \"v\", \"\": \"\"}, \"many\": [\"x\"]} \n";
    let sample: Sample = parse(full.as_bytes()).unwrap();
    assert_eq!(sample.name, Some(Utf8Field::Valid("a".to_owned())));
    assert_eq!(sample.labels.unwrap().0.len(), 2);
    assert_eq!(sample.many.unwrap(), ["x"]);
    let empty: Sample = parse(b"{}").unwrap();
    assert!(empty.name.is_none() && empty.labels.is_none() && empty.many.is_none());
    let escaped: Sample = parse(br#"{"name": "\ud83e\udd80 \u0000"}"#).unwrap();
    assert_eq!(
        escaped.name,
        Some(Utf8Field::Valid("\u{1f980} \0".to_owned()))
    );
    let surrogate: Sample = parse(br#"{"name": "\ud800"}"#).unwrap();
    assert_eq!(surrogate.name, Some(Utf8Field::Surrogate));
}

#[test]
fn anything_but_one_valid_object_is_refused() {
    let deep = format!(
        "{{\"many\": {}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let texts: &[&[u8]] = &[
        b"",
        b" ",
        b"null",
        b"[]",
        b"[\"a\"]",
        b"\"a\"",
        b"1",
        b"{",
        b"{}{}",
        b"{} x",
        b"{},",
        b"\xef\xbb\xbf{}",
        b"{\"name\": \"\xff\"}",
        br#"{"name": null}"#,
        br#"{"name": 1}"#,
        br#"{"name": true}"#,
        br#"{"name": ["a"]}"#,
        br#"{"name": [97]}"#,
        br#"{"name": {"a": "b"}}"#,
        br#"{"name": "a", "name": "a"}"#,
        br#"{"Name": "a"}"#,
        br#"{"name": "a", "x": 1}"#,
        br#"{"name": "a",}"#,
        br#"{name: "a"}"#,
        br#"{'name': "a"}"#,
        b"{\"name\": \"a\nb\"}",
        br#"{"labels": null}"#,
        br#"{"labels": []}"#,
        br#"{"labels": {"a": 1}}"#,
        br#"{"labels": {"a": null}}"#,
        br#"{"labels": {"a": "1", "a": "1"}}"#,
        br#"{"labels": {"a": "\ud800"}}"#,
        br#"{"many": null}"#,
        br#"{"many": "x"}"#,
        br#"{"many": [null]}"#,
        br#"{"many": [1]}"#,
        deep.as_bytes(),
    ];
    for text in texts {
        let shown = String::from_utf8_lossy(&text[..text.len().min(60)]);
        let problem = parse::<Sample>(text).unwrap_err();
        assert_eq!(problem.status(), 400, "{shown}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_declared_as_json() {
    let status = async |content_type: Option<&str>, body: Vec<u8>| {
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert("content-type", value.parse().unwrap());
        }
        let read = read::<Sample>(&headers, Body::from(body)).await;
        read.map_or_else(|problem| problem.status().as_u16(), |_| 200)
    };
    for name in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;x",
    ] {
        assert_eq!(status(Some(name), b"{}".to_vec()).await, 200, "{name}");
    }
    assert_eq!(status(None, b"{}".to_vec()).await, 200);
    for name in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        assert_eq!(status(Some(name), b"{}".to_vec()).await, 415, "{name}");
        // The type of an empty body does not matter.
        assert_eq!(status(Some(name), Vec::new()).await, 200, "{name}");
    }
    let mut exact = b"{}".to_vec();
    exact.resize(LIMIT, b' ');
    assert_eq!(status(None, exact.clone()).await, 200);
    exact.push(b' ');
    assert_eq!(status(None, exact).await, 413);
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_arrives() {
    /// A body of which no byte arrives.
    struct Announced(u64);

    impl http_body::Body for Announced {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    let status = |length| {
        let body = Body::new(Announced(length));
        let read = read::<Sample>(&HeaderMap::new(), body).now_or_never();
        read.map(|read| read.unwrap_err().status().as_u16())
    };
    assert_eq!(status(LIMIT as u64), None);
    assert_eq!(status(LIMIT as u64 + 1), Some(413));
    assert_eq!(status(u64::MAX - 2), Some(413));
}
