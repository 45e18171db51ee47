//! A bucket's host that redirects to another server. That server can say nothing about a blob.

use std::net::SocketAddr;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, ErrorKind};
use artifact_backend_s3::S3Config;
use bytes::Bytes;
use http::Response;

use crate::http_server::{each_provider, error, serve};

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

fn config() -> S3Config {
    S3Config::default()
        .with_deadline(Duration::from_millis(200))
        .with_readback_time(Duration::from_millis(200))
}

async fn redirect_to(status: u16, other: SocketAddr) -> SocketAddr {
    let redirect = move |request: &http::Request<Bytes>| {
        Response::builder()
            .status(status)
            .header("location", format!("http://{other}{}", request.uri()))
            .body(Bytes::new())
            .unwrap()
    };
    serve(redirect).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_of_another_server_is_not_an_absent_blob() {
    let other = serve(|_| error(404, "NoSuchKey")).await;
    for status in REDIRECTS {
        let address = redirect_to(status, other).await;
        for (name, backend) in each_provider(address, &config()) {
            let id = ArtifactId::mint();
            let kinds = [
                backend.load(id).await.map(drop),
                backend.download(id, ByteRange::Full).await.map(drop),
                backend.stat(id).await.map(drop),
                // An absent blob would be deleted already.
                backend.delete(id).await,
                backend.store_id().await.map(drop),
            ]
            .map(|outcome| outcome.unwrap_err().kind());
            assert_eq!(kinds, [ErrorKind::Misconfigured; 5], "{name} {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_of_another_server_is_not_a_stored_blob_or_an_empty_list() {
    let empty_lists = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let ok = move |_: &http::Request<Bytes>| {
        Response::builder()
            .header("etag", "\"1\"")
            .header("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            .body(empty_lists.into())
            .unwrap()
    };
    let other = serve(ok).await;
    for status in REDIRECTS {
        let address = redirect_to(status, other).await;
        for (name, backend) in each_provider(address, &config()) {
            let stored = backend.store(ArtifactId::mint(), "blob".into()).await;
            let error = stored.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name} {status}");
            let listed = backend.list().await.map(drop);
            let error = listed.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name} {status}");
        }
    }
}
