//! Fetches: header fields, and which URIs are accepted.

use artifact_backend::UriPrefix;
use artifact_http::HttpConfig;
use artifact_store::Sha256Digest;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use http::Method;
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use crate::support::{Site, Who, fetch_path, noise, request};

#[tokio::test]
async fn responses_have_exactly_the_fields_of_the_protocol() {
    let site = Site::new().await;
    for size in [0, 11, 300_000] {
        let bytes = noise(size);
        let uri = site.put(Who::Worker, &bytes).await;
        let reply = site.get(Who::Worker, &uri, &[]).await;
        let digest = Sha256::digest(&bytes);
        let hex = Sha256Digest::from_bytes(digest.into()).to_string();
        assert_eq!(reply.status, 200);
        assert!(reply.body == bytes);
        let expected = [
            ("content-type", "text/plain".to_owned()),
            ("content-length", size.to_string()),
            (
                "content-disposition",
                "attachment; filename=\"f.bin\"".to_owned(),
            ),
            ("x-content-type-options", "nosniff".to_owned()),
            (
                "content-security-policy",
                "default-src 'none'; sandbox".to_owned(),
            ),
            ("cross-origin-resource-policy", "same-origin".to_owned()),
            ("cache-control", "private, no-store".to_owned()),
            ("vary", "Authorization".to_owned()),
            ("etag", format!("\"{hex}\"")),
            ("accept-ranges", "bytes".to_owned()),
            (
                "repr-digest",
                format!("sha-256=:{}:", STANDARD.encode(digest)),
            ),
        ];
        for (name, value) in &expected {
            assert_eq!(reply.header(name), value, "{name}");
        }
        assert_eq!(reply.headers.len(), expected.len(), "{:?}", reply.headers);
    }
}

#[tokio::test]
async fn head_has_the_fields_of_get_without_asking_the_backend() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"hello world").await;
    let get = site.get(Who::Worker, &uri, &[]).await;
    let before = site.calls();
    let head = site.ask(Method::HEAD, Who::Worker, &uri, &[]).await;
    assert_eq!((head.status, &head.headers), (get.status, &get.headers));
    assert_eq!(head.body, b"");
    assert_eq!(site.calls(), before);
}

#[tokio::test]
async fn foreign_uris_are_not_found_without_asking_the_backend() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"x").await;
    let id = uri.strip_prefix("eden://artifacts/").unwrap().to_owned();
    let before = site.calls();
    let prefix = "eden://artifacts/";
    let mut hostile: Vec<String> = [
        "",
        "..",
        "../x",
        "./../x",
        "a/../b",
        "/x",
        "\\..\\x",
        "/etc/passwd",
        "%2e%2e%2f",
        "..%2f..%2f",
        "%252e%252e%252f",
        "#/../../etc",
        "%23",
        ";/../..",
        "?/../..",
        "file:",
        "FILE:",
        "://x",
        "s3:/b/p/../../x",
        "http://169.254.169.254/",
        "%00",
        "\0",
        "\r\n",
        ".",
        "~",
        "/",
        "//",
        "artifact-format",
        "staging",
        "blobs/x",
        "\u{202e}",
        "\u{2024}\u{2024}\u{2215}x",
        "null",
    ]
    .map(str::to_owned)
    .to_vec();
    // The same texts after the prefix, and texts that almost equal the URI.
    let behind: Vec<String> = hostile
        .iter()
        .map(|text| format!("{prefix}{text}"))
        .collect();
    hostile.extend(behind);
    let fullwidth = id.replacen(|c: char| c.is_ascii_hexdigit(), "\u{ff11}", 1);
    hostile.extend([
        id.clone(),
        format!("{prefix}{}", &id[1..]),
        format!("{prefix}{id}0"),
        format!("{prefix}{}", "A".repeat(32)),
        format!("{prefix}{}", "a".repeat(256)),
        format!("{prefix}{}", "a".repeat(5000)),
        format!("{prefix}{fullwidth}"),
        format!("{prefix}{id}/"),
        format!("{prefix}{id}\0"),
        format!("{prefix}{id}\r\n"),
        format!("{prefix}/{id}"),
        format!("{prefix}../artifacts/{id}"),
        format!("{prefix}{}", "f".repeat(32)),
        format!("Eden://artifacts/{id}"),
        format!("eden:/artifacts/{id}"),
        format!(" {uri}"),
        format!("{uri} "),
        format!("{uri}+"),
        format!("{uri}?x"),
        format!("{uri}#x"),
        uri.replace("://", "%3a%2f%2f"),
    ]);
    for text in &hostile {
        let reply = site.get(Who::Worker, text, &[]).await;
        reply.assert_problem(404, "not-found", &format!("{text:?}"));
    }
    // Sent without encoding: `+` is not a space, and bytes that are not UTF-8 match nothing.
    for query in [
        format!("uri={uri}+"),
        format!("uri=+{uri}"),
        "uri=%ff%fe".into(),
        "uri=%".into(),
    ] {
        let path = format!("/v0/experiments/demo/artifacts?{query}");
        let asked = request(Method::GET, &path, Who::Worker, "demo");
        let reply = site.send(asked.body(Body::empty()).unwrap()).await;
        reply.assert_problem(404, "not-found", &query);
    }
    assert_eq!(site.calls(), before, "the backend was asked");
    assert_eq!(site.get(Who::Worker, &uri, &[]).await.status, 200);
}

#[tokio::test]
async fn the_uri_parameter_must_occur_once() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"x").await;
    let table = [
        (String::new(), 400),
        ("?".into(), 400),
        ("?other=1".into(), 400),
        (format!("?URI={uri}"), 400),
        (format!("?uri={uri}&uri={uri}"), 400),
        (format!("?uri={uri}&uri="), 400),
        ("?uri".into(), 404),
        ("?uri=".into(), 404),
        (format!("?uri={uri}"), 200),
        (format!("?other=1&uri={uri}&uris=2"), 200),
        (format!("?&&uri={uri}&"), 200),
    ];
    for (query, status) in table {
        let path = format!("/v0/experiments/demo/artifacts{query}");
        let asked = request(Method::GET, &path, Who::Worker, "demo");
        let reply = site.send(asked.body(Body::empty()).unwrap()).await;
        match status {
            400 => reply.assert_problem(400, "bad-request", &query),
            404 => reply.assert_problem(404, "not-found", &query),
            _ => assert_eq!(reply.status, status, "{query}"),
        }
    }
}

#[tokio::test]
async fn a_configured_prefix_replaces_the_default() {
    let prefix = UriPrefix::new("blob://example/").unwrap();
    let site = Site::with(HttpConfig::default().with_uri_prefix(prefix)).await;
    let uri = site.put(Who::Worker, b"x").await;
    assert!(uri.starts_with("blob://example/"), "{uri}");
    assert_eq!(site.get(Who::Worker, &uri, &[]).await.status, 200);
    let other = uri.replace("blob://example/", "eden://artifacts/");
    site.get(Who::Worker, &other, &[])
        .await
        .assert_problem(404, "not-found", &other);
}

#[tokio::test]
async fn artifacts_of_other_experiments_are_not_found() {
    let site = Site::new().await;
    let uri = site.put(Who::Foreigner, b"x").await;
    let before = site.calls();
    site.get(Who::Admin, &uri, &[])
        .await
        .assert_problem(404, "not-found", "another experiment");
    assert_eq!(site.calls(), before);
    let there = request(Method::GET, &fetch_path("other", &uri), Who::Admin, "other");
    assert_eq!(
        site.send(there.body(Body::empty()).unwrap()).await.status,
        200
    );
}

/// Begins a fetch. Returns the status and the body, of which nothing is read.
async fn begin(site: &Site, method: Method, who: Who, uri: &str, range: &str) -> (u16, Body) {
    let request = request(method, &fetch_path("demo", uri), who, "demo")
        .header("range", range)
        .body(Body::empty())
        .unwrap();
    let response = site.router.clone().oneshot(request).await.unwrap();
    (response.status().as_u16(), response.into_body())
}

#[tokio::test]
async fn concurrent_fetches_are_limited_per_principal_and_in_total() {
    let config = HttpConfig::default()
        .with_max_fetches(3)
        .with_max_fetches_per_principal(2);
    let site = Site::with(config).await;
    let bytes = noise(300_000);
    let (own, other) = (
        site.put(Who::Worker, &bytes).await,
        site.put(Who::Neighbour, &bytes).await,
    );
    let (status, first) = begin(&site, Method::GET, Who::Worker, &own, "").await;
    assert_eq!(status, 200);
    let (status, second) = begin(&site, Method::GET, Who::Worker, &own, "bytes=5-").await;
    assert_eq!(status, 206);
    let before = site.calls();
    for range in ["", "bytes=0-0"] {
        let reply = site.get(Who::Worker, &own, &[("range", range)]).await;
        reply.assert_problem(429, "about:blank", range);
        assert_eq!(reply.header("retry-after"), "1");
    }
    // Before the backend was called.
    assert_eq!(site.calls(), before);

    let (status, third) = begin(&site, Method::GET, Who::Neighbour, &other, "").await;
    assert_eq!(status, 200);
    for who in [Who::Neighbour, Who::Admin] {
        let reply = site.get(who, &other, &[]).await;
        reply.assert_problem(503, "about:blank", &format!("{who:?}"));
        assert_eq!(reply.header("retry-after"), "1");
    }
    // What has no content is not limited.
    let etag = site.ask(Method::HEAD, Who::Worker, &own, &[]).await;
    assert_eq!(etag.status, 200);
    let tag = etag.header("etag");
    for (fields, status) in [
        ([("if-none-match", tag)], 304),
        ([("if-match", "\"x\"")], 412),
    ] {
        assert_eq!(site.get(Who::Worker, &own, &fields).await.status, status);
    }
    assert_eq!(site.get(Who::Worker, "eden://x", &[]).await.status, 404);

    // A body that was read or dropped, whole or in part, returns its permit.
    assert_eq!(
        axum::body::to_bytes(first, usize::MAX).await.unwrap(),
        bytes
    );
    assert_eq!(site.get(Who::Worker, &own, &[]).await.status, 200);
    drop(third);
    let mut second = second.into_data_stream();
    assert!(!second.next().await.unwrap().unwrap().is_empty());
    drop(second);
    // None of these keeps one.
    for (range, status) in [("bytes=0-0", 206), ("bytes=300000-", 416), ("", 200)] {
        for _ in 0..3 {
            let (got, body) = begin(&site, Method::GET, Who::Worker, &own, range).await;
            assert_eq!(got, status, "{range}");
            drop(body);
        }
    }
    for _ in 0..3 {
        assert_eq!(
            begin(&site, Method::HEAD, Who::Worker, &own, "").await.0,
            200
        );
    }
}
