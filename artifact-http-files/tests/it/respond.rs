//! Answers to requests for an artifact.

use artifact_http_files::respond;
use artifact_store::{Principal, authorize};
use http::{Method, Response};
use http_body::Body;
use http_body_util::BodyExt;

use crate::support::{Site, body, headers};

/// Method, header fields, status, `Content-Range`, `Content-Length` and content.
type Case<'a> = (
    &'a Method,
    &'a [(&'static str, &'a str)],
    u16,
    &'a str,
    &'a str,
    &'a [u8],
);

#[tokio::test]
async fn ranges_and_conditions_decide_the_status_and_the_content() {
    let fixture = Site::new().await;
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    for bytes in [&large[..], b"hello world"] {
        let row = fixture
            .deposit(&headers(&[]), body(bytes, 50_000))
            .await
            .unwrap();
        let grant = authorize(&Principal::admin(), row).unwrap();
        let etag = format!("\"{}\"", grant.row().sha256);
        let weak = format!("W/{etag}");
        let (size, last) = (bytes.len(), bytes.len() - 1);
        let whole = size.to_string();
        let past = format!("bytes={size}-");
        let range = |from: usize, to: usize| format!("bytes {from}-{to}/{size}");
        let (get, head) = (Method::GET, Method::HEAD);
        let first = ("range", "bytes=0-3");
        let cases: [Case<'_>; 12] = [
            (&get, &[], 200, "", &whole, bytes),
            (&get, &[first], 206, &range(0, 3), "4", &bytes[..4]),
            (
                &get,
                &[("range", "bytes=-1")],
                206,
                &range(last, last),
                "1",
                &bytes[last..],
            ),
            (
                &get,
                &[("range", &past)],
                416,
                &format!("bytes */{size}"),
                "",
                b"",
            ),
            (&get, &[("range", "bytes=0-1,2-3")], 200, "", &whole, bytes),
            (&get, &[("if-none-match", &weak), first], 304, "", "", b""),
            (&get, &[("if-match", &weak), first], 412, "", "", b""),
            (&get, &[("if-range", &weak), first], 200, "", &whole, bytes),
            (
                &get,
                &[("if-range", &etag), first],
                206,
                &range(0, 3),
                "4",
                &bytes[..4],
            ),
            (&head, &[first], 200, "", &whole, b""),
            (&head, &[("if-none-match", &etag)], 304, "", "", b""),
            (&head, &[("if-match", "\"x\"")], 412, "", "", b""),
        ];
        for (method, fields, status, range, length, content) in cases {
            let answer = respond(&fixture.store, &grant, method, &headers(fields)).await;
            let answer = answer.unwrap();
            let field = |name: &str| text(&answer, name);
            assert_eq!(answer.status(), status, "{method} {fields:?}");
            assert_eq!(field("content-range"), range, "{method} {fields:?}");
            assert_eq!(field("content-length"), length, "{method} {fields:?}");
            if status < 400 {
                assert_eq!(field("etag"), etag);
                assert_eq!(field("cache-control"), "private, no-store");
            }
            if status < 300 {
                assert!(field("repr-digest").starts_with("sha-256=:"));
                assert_eq!(field("content-disposition"), "attachment");
                assert_eq!(field("x-content-type-options"), "nosniff");
            }
            let body = answer.into_body();
            assert_eq!(body.size_hint().exact(), Some(content.len() as u64));
            let found = body.collect().await.unwrap().to_bytes();
            assert!(found == content, "{method} {fields:?}");
        }
    }
}

fn text<B>(answer: &Response<B>, name: &str) -> String {
    let value = answer.headers().get(name);
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_suffix_of_an_empty_artifact_is_the_whole_artifact() {
    let site = Site::new().await;
    let row = site.deposit(&headers(&[]), body(b"", 1)).await.unwrap();
    let grant = authorize(&Principal::admin(), row).unwrap();
    for (range, status, content_range) in [
        ("bytes=-5", 200, ""),
        ("bytes=-0", 416, "bytes */0"),
        ("bytes=0-", 416, "bytes */0"),
    ] {
        let fields = headers(&[("range", range)]);
        let answer = respond(&site.store, &grant, &Method::GET, &fields).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), status, "{range}");
        assert_eq!(text(&answer, "content-range"), content_range, "{range}");
    }
}
