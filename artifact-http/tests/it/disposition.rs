//! Hostile content types and file names never reach a header field unchanged.

use crate::support::{Site, Who};

#[tokio::test]
async fn content_types_are_cleaned() {
    let site = Site::new().await;
    let long = "x".repeat(10_000);
    let table = [
        ("text/html; charset=utf-7", "text/html; charset=utf-7"),
        ("application/gzip", "application/gzip"),
        ("  text/plain\t", "text/plain"),
        ("text/ö", "text/"),
        ("\u{ff}", "application/octet-stream"),
        ("", "application/octet-stream"),
        (&long, "application/octet-stream"),
        ("nonsense without a slash", "nonsense without a slash"),
    ];
    for (declared, recorded) in table {
        let uri = site
            .put_part(Who::Worker, "filename=f", declared, b"x")
            .await;
        let reply = site.get(Who::Worker, &uri, &[]).await;
        assert_eq!(reply.header("content-type"), recorded, "{declared:?}");
    }
}

#[tokio::test]
async fn file_names_are_cleaned() {
    let site = Site::new().await;
    let long = format!("filename=\"{}\"", "n".repeat(300));
    let cut = format!("attachment; filename=\"{}\"", "n".repeat(255));
    let table = [
        ("filename=\"a b.txt\"", "attachment; filename=\"a b.txt\""),
        ("filename=plain.txt", "attachment; filename=\"plain.txt\""),
        ("filename=\"\"", "attachment"),
        ("filename=\"..\"", "attachment"),
        (
            "filename=\"../../etc/passwd\"",
            "attachment; filename=\"passwd\"",
        ),
        (
            "filename=\"C:\\x\\evil.exe\"",
            "attachment; filename=\"evil.exe\"",
        ),
        ("filename=\"/\"", "attachment"),
        (
            "filename=\"na\u{ef}ve.txt\"",
            "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt",
        ),
        (
            "filename=\"\u{202e}gpj.exe\"",
            "attachment; filename=\"gpj.exe\"",
        ),
        (
            "filename=\"a%0d%0aX: y\"",
            "attachment; filename=\"a_0d_0aX: y\"; filename*=UTF-8''a%250d%250aX%3A%20y",
        ),
        (
            "filename=\"f.txt\"; filename*=UTF-8''evil.html",
            "attachment; filename=\"f.txt\"",
        ),
        (&long, &cut),
    ];
    for (given, expected) in table {
        let uri = site.put_part(Who::Worker, given, "text/plain", b"x").await;
        let reply = site.get(Who::Worker, &uri, &[]).await;
        assert_eq!(reply.header("content-disposition"), expected, "{given:?}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
}
