//! The `Range` header field.

use http::Method;

use crate::support::{Site, Who};

/// A value of `Range`, the status, and the `Content-Range`.
type Line = (&'static str, u16, &'static str);

async fn check(bytes: &[u8], table: &[Line]) {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, bytes).await;
    for (range, status, content_range) in table {
        let reply = site.get(Who::Worker, &uri, &[("range", range)]).await;
        let why = format!("{range} of {}", bytes.len());
        assert_eq!(reply.status, *status, "{why}");
        assert_eq!(reply.header("content-range"), *content_range, "{why}");
        match status {
            206 => {
                let (first, rest) = content_range[6..].split_once('-').unwrap();
                let last = rest.split_once('/').unwrap().0;
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                assert_eq!(reply.body, &bytes[first..=last], "{why}");
                assert_eq!(
                    reply.header("content-length"),
                    (last - first + 1).to_string()
                );
                assert!(
                    reply.header("repr-digest").starts_with("sha-256=:"),
                    "{why}"
                );
            }
            200 => assert_eq!(reply.body, bytes, "{why}"),
            _ => reply.assert_problem(416, "about:blank", &why),
        }
    }
}

#[tokio::test]
async fn single_ranges_are_answered_and_others_ignored() {
    let table = [
        ("bytes=0-0", 206, "bytes 0-0/11"),
        ("bytes=0-", 206, "bytes 0-10/11"),
        ("bytes=0-10", 206, "bytes 0-10/11"),
        ("bytes=2-4", 206, "bytes 2-4/11"),
        ("bytes=2-999", 206, "bytes 2-10/11"),
        ("bytes=10-", 206, "bytes 10-10/11"),
        ("bytes=-1", 206, "bytes 10-10/11"),
        ("bytes=-999", 206, "bytes 0-10/11"),
        ("BYTES=2-4", 206, "bytes 2-4/11"),
        ("bytes=2-99999999999999999999999999", 206, "bytes 2-10/11"),
        ("bytes=11-", 416, "bytes */11"),
        ("bytes=11-12", 416, "bytes */11"),
        ("bytes=-0", 416, "bytes */11"),
        ("bytes=99999999999999999999999999-", 416, "bytes */11"),
        ("bytes=0-0,2-3", 200, ""),
        ("bytes=4-2", 200, ""),
        ("bytes=", 200, ""),
        ("bytes=-", 200, ""),
        ("bytes=a-b", 200, ""),
        ("items=0-1", 200, ""),
        ("0-1", 200, ""),
    ];
    check(b"hello world", &table).await;
}

#[tokio::test]
async fn empty_artifacts_have_no_ranges() {
    let table = [
        ("bytes=0-", 416, "bytes */0"),
        ("bytes=0-0", 416, "bytes */0"),
        ("bytes=-0", 416, "bytes */0"),
        ("bytes=-5", 200, ""),
    ];
    check(b"", &table).await;
}

#[tokio::test]
async fn lists_of_ranges_and_repeated_fields_are_ignored() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"hello world").await;
    let thousand = format!("bytes={}", vec!["0-0"; 1000].join(","));
    let before = site.calls();
    let reply = site.get(Who::Worker, &uri, &[("range", &thousand)]).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body[..]),
        (200, &b"hello world"[..])
    );
    assert_eq!(site.calls(), before + 1, "the backend is read once");
    let twice = [("range", "bytes=0-0"), ("range", "bytes=1-1")];
    assert_eq!(site.get(Who::Worker, &uri, &twice).await.status, 200);
}

#[tokio::test]
async fn head_ignores_range() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"hello world").await;
    for range in ["bytes=0-0", "bytes=99-"] {
        let reply = site
            .ask(Method::HEAD, Who::Worker, &uri, &[("range", range)])
            .await;
        assert_eq!(reply.status, 200, "{range}");
        assert_eq!(reply.header("content-length"), "11");
    }
}
