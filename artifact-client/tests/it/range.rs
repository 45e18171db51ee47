//! Ranges and metadata.

use artifact_client::{ByteRange, Client, ErrorKind, FetchOptions, Operation};

use crate::server::{response, server_replying};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";
/// The SHA-256 of "hello", in base64.
const HELLO: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

fn fields() -> String {
    format!("etag: \"2cf2\"\r\nrepr-digest: sha-256=:{HELLO}:\r\n")
}

async fn fetch(client: &Client, range: ByteRange) -> artifact_client::Result<(Vec<u8>, u64)> {
    let options = FetchOptions::default().with_range(range);
    let fetched = client.fetch_with(URI, options).await?;
    let (size, range) = (fetched.size.unwrap(), fetched.range.clone().unwrap());
    let bytes = fetched.into_bytes(100).await?;
    assert_eq!(range.end - range.start, bytes.len() as u64);
    Ok((bytes.to_vec(), size))
}

#[tokio::test]
async fn every_form_of_range_is_requested_and_delivered() {
    for (range, header, content_range, bytes) in [
        (
            ByteRange::FromTo { first: 1, last: 3 },
            "bytes=1-3",
            "1-3/5",
            "ell",
        ),
        (
            ByteRange::FromTo { first: 3, last: 99 },
            "bytes=3-99",
            "3-4/5",
            "lo",
        ),
        (ByteRange::From(4), "bytes=4-", "4-4/5", "o"),
        (ByteRange::From(0), "bytes=0-", "0-4/5", "hello"),
        (ByteRange::Suffix(2), "bytes=-2", "3-4/5", "lo"),
        (ByteRange::Suffix(99), "bytes=-99", "0-4/5", "hello"),
    ] {
        let headers = format!("{}content-range: bytes {content_range}\r\n", fields());
        let part = response("206 Partial Content", &headers, bytes);
        // A server may ignore the range and send everything.
        for reply in [part, response("200 OK", &fields(), "hello")] {
            let (client, served) = server_replying(reply).await;
            let (found, size) = fetch(&client, range).await.unwrap();
            assert_eq!(found, bytes.as_bytes(), "{header}");
            assert_eq!(size, 5);
            assert_eq!(served.await.unwrap().header("range"), Some(header));
        }
    }
}

#[tokio::test]
async fn a_range_that_covers_the_whole_artifact_is_verified() {
    let headers = format!("{}content-range: bytes 0-4/5\r\n", fields());
    let (client, _served) =
        server_replying(response("206 Partial Content", &headers, "hellO")).await;
    let error = fetch(&client, ByteRange::From(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
}

#[tokio::test]
async fn other_ranges_than_requested_are_protocol_errors() {
    for content_range in ["", "0-3/5", "1-4/5", "1-3/*", "1-2/5", "1-3/3"] {
        let headers = format!("{}content-range: bytes {content_range}\r\n", fields());
        let (client, _served) =
            server_replying(response("206 Partial Content", &headers, "ell")).await;
        let range = ByteRange::FromTo { first: 1, last: 3 };
        let error = fetch(&client, range).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{content_range}");
    }
}

#[tokio::test]
async fn a_range_without_a_byte_of_the_artifact_is_invalid() {
    let refused = response(
        "416 Range Not Satisfiable",
        "content-range: bytes */5\r\n",
        "",
    );
    for reply in [refused, response("200 OK", &fields(), "hello")] {
        let (client, _served) = server_replying(reply).await;
        let error = fetch(&client, ByteRange::From(5)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRange);
        assert_eq!(error.detail(), "the artifact has 5 bytes");
    }
    let (client, _served) = server_replying(response("416 Range Not Satisfiable", "", "")).await;
    let error = fetch(&client, ByteRange::From(5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRange);
    assert_eq!(error.status(), Some(416));
}

#[tokio::test]
async fn stat_returns_the_metadata() {
    let headers = format!(
        "{}content-type: text/plain\r\ncontent-disposition: attachment; filename=\"a.txt\"\r\n",
        fields()
    );
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 123456789012\r\n{headers}\r\n");
    let (client, served) = server_replying(head).await;
    let metadata = client.stat(URI).await.unwrap();
    assert_eq!(metadata.size, Some(123_456_789_012));
    assert_eq!(metadata.content_type.as_deref(), Some("text/plain"));
    assert_eq!(metadata.file_name.as_deref(), Some("a.txt"));
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(metadata.sha256.unwrap().to_string(), sha256);
    let line = served.await.unwrap().head;
    assert!(
        line.starts_with("HEAD /v0/experiments/exp-1/artifacts?uri=eden%3A"),
        "{line}"
    );

    let (client, _served) =
        server_replying("HTTP/1.1 404 Not Found\r\ncontent-length: 99\r\n\r\n").await;
    let error = client.stat(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.operation(), Operation::Stat);
    assert_eq!(
        error.to_string(),
        "stat: there is no such artifact (status 404)"
    );
}
