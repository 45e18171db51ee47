use std::time::Duration;

use artifact_client::{ErrorKind, Operation};
use tokio::io::AsyncWriteExt;

use crate::server::{listen, read_request, response, server_replying};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";
/// The SHA-256 of "hello", in base64.
const HELLO: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

fn headers() -> String {
    format!(
        "content-type: text/plain\r\nrepr-digest: sha-256=:{HELLO}:\r\n\
         content-disposition: attachment; filename=\"a.txt\"\r\n"
    )
}

#[tokio::test]
async fn fetch_sends_the_uri_unchanged_and_returns_the_bytes() {
    let (client, served) = server_replying(response("200 OK", &headers(), "hello")).await;
    let fetched = client.fetch(URI).await.unwrap();
    assert_eq!(fetched.content_type.as_deref(), Some("text/plain"));
    assert_eq!(fetched.file_name.as_deref(), Some("a.txt"));
    assert_eq!(fetched.size, Some(5));
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(fetched.sha256.unwrap().to_string(), sha256);
    assert_eq!(fetched.into_bytes(5).await.unwrap(), "hello");
    let request = served.await.unwrap();
    let line = "GET /v0/experiments/exp-1/artifacts\
                ?uri=eden%3A%2F%2Fartifacts%2F00112233445566778899aabbccddeeff HTTP/1.1";
    assert_eq!(request.head.lines().next(), Some(line));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn empty_artifacts_are_accepted() {
    let digest = "repr-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\r\n";
    let (client, _served) = server_replying(response("200 OK", digest, "")).await;
    let mut fetched = client.fetch(URI).await.unwrap();
    assert_eq!(fetched.size, Some(0));
    assert!(fetched.next().await.is_none());
}

#[tokio::test]
async fn changed_bytes_end_the_stream_with_a_digest_mismatch() {
    let (client, _served) = server_replying(response("200 OK", &headers(), "hellO")).await;
    let mut fetched = client.fetch(URI).await.unwrap();
    assert_eq!(fetched.next().await.unwrap().unwrap(), "hellO");
    let error = fetched.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    assert_eq!(error.operation(), Operation::Fetch);
    assert!(fetched.next().await.is_none());
}

#[tokio::test]
async fn truncated_bodies_are_reported_as_interrupted() {
    let short = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n{}\r\nhello",
        headers()
    );
    let (client, _served) = server_replying(short).await;
    let mut fetched = client.fetch(URI).await.unwrap();
    assert_eq!(fetched.next().await.unwrap().unwrap(), "hello");
    let error = fetched.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(fetched.next().await.is_none());
}

#[tokio::test]
async fn truncated_bodies_without_a_length_are_detected_by_their_digest() {
    let until_closed = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n{}\r\nhell",
        headers()
    );
    let (client, _served) = server_replying(until_closed).await;
    let fetched = client.fetch(URI).await.unwrap();
    assert_eq!(fetched.size, None);
    let error = fetched.into_bytes(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
}

#[tokio::test]
async fn stalled_bodies_are_reported_as_interrupted() {
    let (builder, listener) = listen().await;
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n{}\r\nhello",
            headers()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    });
    let client = builder
        .with_stall_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let mut fetched = client.fetch(URI).await.unwrap();
    assert_eq!(fetched.next().await.unwrap().unwrap(), "hello");
    let error = fetched.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.detail().contains("no progress"), "{error}");
    drop(served.await.unwrap());
}

#[tokio::test]
async fn into_bytes_enforces_its_limit() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for reply in [response("200 OK", &headers(), "hello"), chunked.to_owned()] {
        let (client, _served) = server_replying(reply).await;
        let error = client
            .fetch(URI)
            .await
            .unwrap()
            .into_bytes(4)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn unexpected_responses_are_protocol_errors() {
    for headers in [
        "repr-digest: sha-256=:AAAA:\r\n",
        "content-encoding: gzip\r\n",
    ] {
        let (client, _served) = server_replying(response("200 OK", headers, "hello")).await;
        let error = client.fetch(URI).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{headers}");
    }
    let (client, _served) = server_replying(response("206 Partial Content", "", "hello")).await;
    assert_eq!(
        client.fetch(URI).await.unwrap_err().kind(),
        ErrorKind::Protocol
    );
}

#[tokio::test]
async fn missing_artifacts_are_reported_as_not_found() {
    let json = r#"{"type":"eden://error/not-found","title":"Not found","status":404}"#;
    let (client, _served) = server_replying(response("404 Not Found", "", json)).await;
    let error = client.fetch("\r\n../x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.problem().unwrap().title, "Not found");
    assert!(
        error.to_string().ends_with("(status 404): Not found"),
        "{error}"
    );
}
