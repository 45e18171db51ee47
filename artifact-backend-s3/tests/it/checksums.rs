//! The checksums of uploads. A fake of all three providers compares them, as the providers do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory as _, ErrorKind, Sha256Digest,
};
use artifact_backend_s3::S3Config;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use sha2::Digest as _;

use crate::http_server::{each_provider, error, serve};

/// Damages the bodies of this many uploads on their way, and records the bodies that it stores.
#[derive(Debug, Default)]
struct Fake {
    damaged: usize,
    refused: usize,
    stored: Vec<Bytes>,
}

/// Returns the error code if the body does not have the checksum that its header names.
fn mismatch(request: &Request<Bytes>, body: &[u8]) -> Option<&'static str> {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    if let Some(hash) = header("x-goog-hash") {
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, body);
        let crc = u32::try_from(crc).unwrap().to_be_bytes();
        let expected = format!("crc32c={}", BASE64_STANDARD.encode(crc));
        return (hash != expected).then_some("BadDigest");
    }
    if let Some(digest) = header("content-md5") {
        let expected = BASE64_STANDARD.encode(md5::Md5::digest(body));
        return (digest != expected).then_some("Md5Mismatch");
    }
    if let Some(digest) = header("x-amz-content-sha256") {
        let expected = Sha256Digest::from_bytes(sha2::Sha256::digest(body).into());
        return (digest != expected.to_string()).then_some("XAmzContentSHA256Mismatch");
    }
    Some("NoChecksum")
}

fn respond(fake: &Mutex<Fake>, request: &Request<Bytes>) -> Response<Bytes> {
    let query = request.uri().query().unwrap_or_default();
    let is_copy = request.headers().contains_key("x-goog-copy-source");
    let xml = |name: &str, inside: &str| {
        let body = format!("<{name}>{inside}<ETag>1</ETag></{name}>");
        Response::builder()
            .header("etag", "\"1\"")
            .header("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            .body(body.into())
            .unwrap()
    };
    match *request.method() {
        Method::PUT if is_copy => xml(
            "CopyObjectResult",
            "<LastModified>2015-10-21T07:28:00Z</LastModified>",
        ),
        Method::PUT if query.contains("comp=blocklist") => xml("Done", ""),
        Method::PUT => {
            let mut fake = fake.lock().unwrap();
            let mut body = request.body().to_vec();
            if fake.damaged > 0 {
                fake.damaged -= 1;
                let at = body.len() / 2;
                body[at] ^= 1;
            }
            if let Some(code) = mismatch(request, &body) {
                fake.refused += 1;
                return error(400, code);
            }
            fake.stored.push(body.into());
            xml("Done", "")
        }
        Method::POST if query.contains("uploadId") => xml(
            "CompleteMultipartUploadResult",
            "<Bucket>b</Bucket><Key>k</Key><Location>l</Location>",
        ),
        Method::POST => xml(
            "InitiateMultipartUploadResult",
            "<Bucket>b</Bucket><Key>k</Key><UploadId>1</UploadId>",
        ),
        _ => Response::builder().status(204).body(Bytes::new()).unwrap(),
    }
}

const PART: usize = 5 << 20;

/// Uploads a blob of this size, in one request or in parts, and returns the outcome for each provider.
async fn upload(bytes: usize, damaged: usize) -> Vec<(&'static str, Option<ErrorKind>, Fake)> {
    let fake = Arc::new(Mutex::new(Fake::default()));
    let responding = Arc::clone(&fake);
    let address = serve(move |request| respond(&responding, request)).await;
    let config = S3Config::default()
        .with_part_bytes(PART as u64)
        .with_deadline(Duration::from_millis(300));
    let mut outcomes = Vec::new();
    for (name, backend) in each_provider(address, &config) {
        fake.lock().unwrap().damaged = damaged;
        let commit = async {
            let mut upload = backend.upload(ArtifactId::mint()).await?;
            upload.write(blob(bytes)).await?;
            upload.commit().await
        };
        let kind = commit.await.err().map(|error| error.kind());
        backend.close().await;
        outcomes.push((name, kind, std::mem::take(&mut *fake.lock().unwrap())));
    }
    outcomes
}

fn blob(bytes: usize) -> Bytes {
    (0..=250).cycle().take(bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_upload_has_a_checksum() {
    for bytes in [0, 9, 2 * PART + 9] {
        for (name, kind, fake) in upload(bytes, 0).await {
            assert_eq!((kind, fake.refused), (None, 0), "{name}: {bytes} bytes");
            assert_eq!(fake.stored.len(), bytes / PART + 1, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_changed_on_the_way_is_refused_and_the_bytes_are_sent_again() {
    for bytes in [9, 2 * PART + 9] {
        for (name, kind, mut fake) in upload(bytes, 1).await {
            assert_eq!((kind, fake.refused), (None, 1), "{name}: {bytes} bytes");
            // The parts arrive in any order.
            let part = |at: usize| blob(bytes).slice(at * PART..bytes.min((at + 1) * PART));
            let mut expected: Vec<_> = (0..=bytes / PART).map(part).collect();
            expected.sort();
            fake.stored.sort();
            assert!(fake.stored == expected, "{name}: {bytes} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_always_changed_on_the_way_are_not_stored() {
    for bytes in [9, PART + 9] {
        for (name, kind, fake) in upload(bytes, usize::MAX).await {
            assert_eq!(kind, Some(ErrorKind::Unavailable), "{name}: {bytes} bytes");
            assert_eq!(fake.stored.len(), 0, "{name}");
        }
    }
}
