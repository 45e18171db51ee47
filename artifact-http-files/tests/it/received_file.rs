//! The file of a request: a form or the content itself.

use std::io;

use artifact_http_files::{ReceiveError, ReceiveErrorKind, ReceivedFile, check_head};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::LengthLimitError;

use crate::support::{Piece, Site, body, headers};

/// The digests of `hello, content`.
const SHA256: &str = "sha-256=:4F76vmY2JMHvhdU/ZCG8nCfncnqv025Lq7XvVdlv/gY=:";
const SHA512: &str = "sha-512=:5ytZEgUwUotRer3xcr9U0bpmq0HqjL8GTvLEE1gNejg0skyO8I2O5WD3aJVnbLCP0dPjcng9+hcMfHM/PufnlA==:";
const CONTENT: &[u8] = b"hello, content";

fn form(name: &str) -> Vec<u8> {
    let head = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"a.txt\"");
    let mut form = format!("--b\r\n{head}\r\nContent-Type: text/markdown\r\n\r\n").into_bytes();
    form.extend_from_slice(CONTENT);
    form.extend_from_slice(b"\r\n--b--\r\n");
    form
}

#[tokio::test]
async fn content_is_a_file_of_the_declared_type() {
    let site = Site::new().await;
    for (declared, recorded) in [
        (
            Some("text/plain; charset=utf-8"),
            "text/plain; charset=utf-8",
        ),
        (
            Some("multipart/mixed; boundary=b"),
            "multipart/mixed; boundary=b",
        ),
        (Some("text/\u{f6}"), "text/"),
        (None, "application/octet-stream"),
    ] {
        let field = declared.map(|declared| ("content-type", declared));
        let row = site
            .deposit(&headers(field.as_slice()), body(CONTENT, 3))
            .await;
        let row = row.unwrap();
        assert_eq!((row.content_type.as_str(), row.size), (recorded, 14));
        assert!(row.file_name.is_none());
    }
}

#[tokio::test]
async fn a_form_is_recognized_by_its_media_type() {
    let site = Site::new().await;
    for kind in [
        "multipart/form-data; boundary=b",
        "Multipart/Form-Data;boundary=\"b\"",
    ] {
        let fields = headers(&[("content-type", kind)]);
        for piece in [1, 1000] {
            let row = site
                .deposit(&fields, body(&form("file"), piece))
                .await
                .unwrap();
            assert_eq!((row.content_type.as_str(), row.size), ("text/markdown", 14));
            assert_eq!(row.file_name.as_ref().unwrap().as_str(), "a.txt");
        }
        let error = site.deposit(&fields, body(&form("other"), 1000)).await;
        assert_eq!(error.unwrap_err().kind(), ReceiveErrorKind::Malformed);
    }
    let plain = headers(&[("content-type", "text/plain")]);
    let error = ReceivedFile::open_form(&plain, body(CONTENT, 5)).await;
    assert_eq!(error.unwrap_err().status(), 400);
}

#[tokio::test]
async fn digests_of_the_content_are_verified() {
    use ReceiveErrorKind::{DigestMismatch, Malformed};
    let site = Site::new().await;
    let wrong512 = SHA512.replace("5yt", "6yt");
    for (value, expected) in [
        (SHA256, Ok(())),
        (SHA512, Ok(())),
        ("md5=:AA==:", Ok(())),
        (&wrong512, Err(DigestMismatch)),
        (&format!("{SHA256}, {wrong512}"), Err(DigestMismatch)),
        ("sha-256=:AA==:", Err(DigestMismatch)),
        ("sha-256=AA", Err(Malformed)),
    ] {
        for name in ["content-digest", "repr-digest"] {
            let found = site
                .deposit(&headers(&[(name, value)]), body(CONTENT, 4))
                .await;
            let found = found.map(|_| ()).map_err(|error| error.kind());
            assert_eq!(found, expected, "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn a_wrong_sha256_of_the_content_is_refused_by_the_store() {
    let site = Site::new().await;
    let wrong = headers(&[("content-digest", &SHA256.replace("4F", "5F"))]);
    let mut file = ReceivedFile::open(&wrong, body(CONTENT, 4)).await.unwrap();
    let mut deposit = site.store.deposit(file.describe(site.new_artifact()));
    while let Some(chunk) = file.next().await.unwrap() {
        deposit.write(chunk).await.unwrap();
    }
    let error = deposit.finish().await.unwrap_err();
    assert_eq!(error.kind(), artifact_store::ErrorKind::DigestMismatch);
}

#[tokio::test]
async fn errors_of_the_body_are_classified() {
    use ReceiveErrorKind::{CutShort, TimedOut, TooLarge};
    let nested = |error: io::Error| io::Error::other(error);
    for (kind, status, error) in [
        (CutShort, 400, io::ErrorKind::ConnectionReset.into()),
        (TimedOut, 408, io::ErrorKind::TimedOut.into()),
        (TimedOut, 408, nested(io::ErrorKind::TimedOut.into())),
        (TooLarge, 413, nested(io::Error::other(limit_error().await))),
    ] {
        let begun: Piece = Ok(Bytes::from_static(b"begun"));
        let pieces = stream::iter([begun, Err(error)]);
        let mut file = ReceivedFile::open(&headers(&[]), pieces).await.unwrap();
        let error = loop {
            match file.next().await {
                Ok(chunk) => assert_eq!(chunk.unwrap(), "begun"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.status().as_u16()), (kind, status));
        assert!(std::error::Error::source(&error).is_some());
    }
}

async fn limit_error() -> Box<LengthLimitError> {
    use http_body_util::{BodyExt, Full, Limited};
    let limited = Limited::new(Full::new(Bytes::from_static(b"long")), 1);
    limited.collect().await.unwrap_err().downcast().unwrap()
}

#[tokio::test]
async fn a_head_that_no_file_can_have_is_refused_before_the_body_is_read() {
    let status = |fields: &[(&'static str, &str)]| {
        let checked = check_head(&headers(fields), 1000);
        checked.map_err(|error: ReceiveError| error.status().as_u16())
    };
    assert_eq!(status(&[]), Ok(None));
    assert_eq!(status(&[("content-length", "1000")]), Ok(Some(1000)));
    assert_eq!(status(&[("content-length", "17384")]), Ok(Some(17384)));
    assert_eq!(status(&[("content-length", "17385")]), Err(413));
    assert_eq!(status(&[("content-encoding", "Identity")]), Ok(None));
    assert_eq!(status(&[("content-encoding", "gzip")]), Err(415));
    let two = [("content-encoding", "identity"), ("content-encoding", "br")];
    assert_eq!(status(&two), Err(415));
}

#[tokio::test]
async fn no_received_byte_waits_for_the_next() {
    let begun: Piece = Ok(Bytes::from_static(b"begun"));
    let pieces = stream::iter([begun]).chain(stream::pending());
    let mut file = ReceivedFile::open(&headers(&[]), pieces).await.unwrap();
    assert_eq!(file.next().await.unwrap().unwrap(), "begun");
}
