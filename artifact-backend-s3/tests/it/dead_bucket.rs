//! Deposits on a bucket that does not work.

use std::net::Ipv4Addr;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{CannedResponse, Fault, FaultProxy, GcsFake};
use bytes::Bytes;
use object_store::gcp::GoogleCloudStorageBuilder;
use tokio::net::TcpListener;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_on_a_dead_bucket_fails_after_one_deadline() {
    let fake = GcsFake::start().await.unwrap();
    // The kernel accepts connections; nothing reads them.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let failing = FaultProxy::start(fake.endpoint().address()).await.unwrap();
    failing.fail_all(|_| true, Fault::Rejected(CannedResponse::INTERNAL));
    let at = |address| fake.endpoint().at(address).builder("bucket");
    let nowhere = |url| fake.endpoint().builder("bucket").with_base_url(url);
    let dead: [(&str, GoogleCloudStorageBuilder, ErrorKind); 4] = [
        (
            "never responds",
            at(silent.local_addr().unwrap()),
            ErrorKind::Ambiguous,
        ),
        (
            "responds 500 only",
            at(failing.address()),
            ErrorKind::Ambiguous,
        ),
        (
            "accepts no connection",
            nowhere("http://127.0.0.1:9"),
            ErrorKind::Unavailable,
        ),
        (
            "has no address",
            nowhere("http://storage.invalid"),
            ErrorKind::Unavailable,
        ),
    ];
    // The sum of the deadlines is 3 s.
    let config = S3Config::default()
        .with_deadline(Duration::from_secs(2))
        .with_answer_timeout(Duration::from_secs(1))
        .with_readback_time(Duration::from_secs(1));
    for (name, builder, kind) in dead {
        let builder = builder.with_client_options(
            object_store::ClientOptions::new()
                .with_allow_http(true)
                .with_connect_timeout(Duration::from_secs(1)),
        );
        let backend = ObjectStoreBackend::gcs(builder, "p", config.clone()).unwrap();
        let began = Instant::now();
        let stored = backend.store(ArtifactId::mint(), Bytes::from_static(b"x"));
        let error = stored.await.unwrap_err();
        let took = began.elapsed();
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert!(error.has_timed_out(), "{name}");
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
    }
}
