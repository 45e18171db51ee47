//! Appends that are compared with `Upload-Checksum` of tus or with `Content-Digest`.

use http::Method;

use crate::uploads::{Client, OCTETS, TUS, broken};

/// printf 'hello world' | openssl dgst -sha1 -binary | base64, and so on.
const SHA1: (&str, &str) = ("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
const SHA256: (&str, &str) = (
    "upload-checksum",
    "sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
);
const DIGEST: (&str, &str) = (
    "content-digest",
    "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:",
);

#[tokio::test]
async fn appends_with_the_right_checksum_count() {
    let client = Client::new().await;
    for (artifacts, field) in [SHA1, SHA256, DIGEST].into_iter().enumerate() {
        let upload = client.begin("11").await;
        let fields = [TUS, OCTETS, ("upload-offset", "0"), field];
        let reply = client
            .send(Method::PATCH, &upload, &fields, "hello world")
            .await;
        assert_eq!(reply.status, 204, "{field:?}: {}", reply.text());
        assert_eq!(client.artifacts().await.len(), artifacts + 1);
        let fields = [("upload-length", "11"), OCTETS, field];
        let reply = client.create(&fields, "hello world").await;
        assert_eq!(reply.status, 201, "{field:?}: {}", reply.text());
        let location = reply.header("artifact-location").to_owned();
        let reply = client.send(Method::DELETE, &location, &[], "").await;
        assert_eq!(reply.status, 204);
    }
}

#[tokio::test]
async fn nothing_of_an_append_with_a_wrong_checksum_is_kept() {
    let client = Client::new().await;
    for (field, status, kind) in [
        (SHA1, 460, "checksum-mismatch"),
        (SHA256, 460, "checksum-mismatch"),
        (DIGEST, 400, "bad-request"),
    ] {
        let upload = client.begin("11").await;
        let fields = [TUS, OCTETS, ("upload-offset", "0"), field];
        for content in ["hello worle", "hello worl", ""] {
            let reply = client.send(Method::PATCH, &upload, &fields, content).await;
            reply.assert_problem(status, kind, content);
            assert_eq!(reply.header("tus-resumable"), "1.0.0");
            assert_eq!(client.offset(&upload).await, "0", "{field:?} {content}");
        }
        // All bytes of the right content, but the request breaks before its end.
        let body = broken(b"hello world");
        let reply = client.send(Method::PATCH, &upload, &fields, body).await;
        assert_eq!(reply.status, 400);
        assert_eq!(client.offset(&upload).await, "0", "{field:?}");
        assert_eq!(client.community.backend.len(), 0, "no part is left");
        let reply = client.send(Method::DELETE, &upload, &[TUS], "").await;
        assert_eq!(reply.status, 204);

        let fields = [("upload-length", "11"), OCTETS, field];
        let reply = client.create(&fields, "hello worle").await;
        reply.assert_problem(status, kind, "with the creation");
    }
    // The uploads that were begun with wrong bytes are gone: three may be open.
    for _ in 0..3 {
        client.begin("11").await;
    }
    assert!(client.artifacts().await.is_empty());
}

#[tokio::test]
async fn an_algorithm_that_is_unknown_is_refused_before_the_content() {
    let client = Client::new().await;
    let upload = client.begin("11").await;
    for field in [
        ("upload-checksum", "md5 XrY7u+Ae7tCTyyK7j1rNww=="),
        ("upload-checksum", "sha1"),
        ("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0"),
        ("upload-checksum", ""),
        ("content-digest", "sha-256=1"),
    ] {
        let fields = [TUS, OCTETS, ("upload-offset", "0"), field];
        let reply = client
            .send(Method::PATCH, &upload, &fields, "hello world")
            .await;
        reply.assert_problem(400, "bad-request", &format!("{field:?}"));
        assert_eq!(client.offset(&upload).await, "0");
    }
    let twice = [TUS, OCTETS, ("upload-offset", "0"), SHA1, SHA1];
    let reply = client
        .send(Method::PATCH, &upload, &twice, "hello world")
        .await;
    reply.assert_problem(400, "bad-request", "two checksums");
    assert_eq!(client.offset(&upload).await, "0");
}
