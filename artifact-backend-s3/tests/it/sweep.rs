//! The removal of incomplete multipart uploads, on a fake of Google Cloud Storage.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactId, ArtifactInventory, Clock, ManualClock, SweepReport};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{CannedResponse, Fault, FaultProxy, GcsFake, RecordedRequest};
use http::Method;
use object_store::gcp::GoogleCloudStorage;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStoreExt, PutPayload};

const BUCKET: &str = "bucket";

async fn fake() -> GcsFake {
    let fake = GcsFake::start().await.unwrap();
    fake.create_bucket(BUCKET);
    fake
}

fn plain_client(fake: &GcsFake) -> GoogleCloudStorage {
    fake.endpoint().builder(BUCKET).build().unwrap()
}

/// Begins an upload of a blob, as another process would, and returns its key and its id.
async fn begin(client: &GoogleCloudStorage) -> (Path, String) {
    let key = Path::from(format!("p/blobs/{}", ArtifactId::mint()));
    let upload_id = client.create_multipart(&key).await.unwrap();
    (key, upload_id)
}

fn is_list(request: &RecordedRequest) -> bool {
    request.method == Method::GET && request.query.contains("uploads=")
}

fn report(removed: u64, kept: u64) -> SweepReport {
    let mut report = SweepReport::default();
    (0..removed).for_each(|_| report.count_removed(0));
    (0..kept).for_each(|_| report.count_kept());
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn many_uploads_on_slow_pages_are_aborted_page_by_page() {
    let fake = fake().await;
    fake.set_page_uploads(BUCKET, 10);
    let proxy = FaultProxy::start(fake.endpoint().address()).await.unwrap();
    let client = plain_client(&fake);
    let mut uploads = Vec::new();
    for _ in 0..45 {
        uploads.push(begin(&client).await);
    }
    // One page arrives in time, but not all five together.
    let slow = Fault::SlowBody {
        chunk: usize::MAX,
        pause: Duration::from_millis(500),
    };
    proxy.fail_all(is_list, slow);
    // The first and the last upload of the first page cannot be aborted.
    uploads.sort();
    for (at, response) in [
        (0, CannedResponse::INTERNAL),
        (9, CannedResponse::ACCESS_DENIED),
    ] {
        let id = format!("uploadId={}", uploads[at].1);
        let is_abort = move |request: &RecordedRequest| {
            request.method == Method::DELETE && request.query == id
        };
        proxy.fail_all(is_abort, Fault::Rejected(response));
    }
    let config = S3Config::default()
        .with_answer_timeout(Duration::from_secs(2))
        .with_deadline(Duration::from_millis(200))
        .with_upload_grace(Duration::ZERO);
    let builder = fake.endpoint().at(proxy.address()).builder(BUCKET);
    let backend = ObjectStoreBackend::gcs(builder, "p", config).unwrap();

    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), report(43, 2));
    assert_eq!(fake.unfinished_uploads(BUCKET), 2);
    // The uploads of a page are aborted before the next page is requested.
    let requests = proxy.requests();
    let lists: Vec<_> = requests.iter().filter(|request| is_list(request)).collect();
    let is_abort = |request: &&RecordedRequest| request.method == Method::DELETE;
    let of_first_page = requests[lists[0].number..lists[1].number].iter();
    assert!(of_first_page.filter(is_abort).count() >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_of_a_bucket_that_fails_ends_with_an_error() {
    let fake = fake().await;
    let proxy = FaultProxy::start(fake.endpoint().address()).await.unwrap();
    let client = plain_client(&fake);
    for _ in 0..20 {
        begin(&client).await;
    }
    let is_first_list = {
        let mut lists = 0;
        move |request: &RecordedRequest| {
            lists += usize::from(is_list(request));
            lists > 0 && !is_list(request)
        }
    };
    proxy.fail_all(is_first_list, Fault::Rejected(CannedResponse::SLOW_DOWN));
    let config = S3Config::default()
        .with_deadline(Duration::from_millis(100))
        .with_upload_grace(Duration::ZERO);
    let builder = fake.endpoint().at(proxy.address()).builder(BUCKET);
    let backend = ObjectStoreBackend::gcs(builder, "p", config).unwrap();

    let error = backend.sweep(Duration::ZERO).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    // The sweep did not try each of the uploads.
    assert!(proxy.requests().len() < 40, "{}", proxy.requests().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_uses_the_proxy_of_the_builder() {
    let fake = fake().await;
    let proxy = FaultProxy::start(fake.endpoint().address()).await.unwrap();
    begin(&plain_client(&fake)).await;
    // Only the proxy knows this host.
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_proxy_url(format!("http://{}", proxy.address()));
    let builder = fake.endpoint().builder(BUCKET);
    let builder = builder
        .with_base_url("http://storage.invalid")
        .with_client_options(options);
    let config = S3Config::default()
        .with_deadline(Duration::from_millis(200))
        .with_upload_grace(Duration::ZERO);
    let backend = ObjectStoreBackend::gcs(builder, "p", config).unwrap();

    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), report(1, 0));
    assert_eq!(fake.unfinished_uploads(BUCKET), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_waits_for_a_slow_client_is_kept() {
    const MIB: usize = 1 << 20;
    // At the minimum rate a part takes 2 hours and 17 minutes for each 8 MiB.
    let (rate, sent, reserve) = (1 << 10, 128 << 10, 900);
    let time_of = |part: usize| {
        let part = part as u64;
        Duration::from_secs(part / rate + part / sent + reserve)
    };
    for part in [None, Some(5 * MIB), Some(9 * MIB)] {
        let fake = fake().await;
        let client = plain_client(&fake);
        let (key, upload_id) = begin(&client).await;
        if let Some(bytes) = part {
            let payload = PutPayload::from(vec![1; bytes]);
            let put = client.put_part(&key, &upload_id, 0, payload).await;
            put.unwrap();
        }
        #[expect(clippy::disallowed_methods, reason = "the fake uses the system clock")]
        let clock = Arc::new(ManualClock::new(SystemTime::now()));
        let config = S3Config::default()
            .with_min_client_rate(rate)
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let backend = ObjectStoreBackend::gcs(fake.endpoint().builder(BUCKET), "p", config);
        let backend = backend.unwrap();
        // A larger part than configured shows that the other server's parts are larger. The first
        // part, whose size nothing shows, is full when the upload begins.
        let grace = match part {
            Some(bytes) => time_of(bytes.max(8 * MIB)),
            None => time_of(8 * MIB).max(Duration::from_secs(525 * MIB as u64 / sent + reserve)),
        };
        clock.advance(grace.checked_sub(Duration::from_secs(60)).unwrap());
        let swept = backend.sweep(Duration::ZERO).await.unwrap();
        assert_eq!((swept.removed, swept.kept), (0, 1), "{part:?}");
        clock.advance(Duration::from_secs(120));
        let swept = backend.sweep(Duration::ZERO).await.unwrap();
        assert_eq!((swept.removed, swept.kept), (1, 0), "{part:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_objects_are_removed_after_one_that_cannot_be() {
    let fake = fake().await;
    let proxy = FaultProxy::start(fake.endpoint().address()).await.unwrap();
    let client = plain_client(&fake);
    for name in ["a", "b", "c"] {
        let key = Path::from(format!("p/staging/{name}"));
        client.put(&key, PutPayload::new()).await.unwrap();
    }
    let is_first = |request: &RecordedRequest| {
        request.method == Method::DELETE && request.path.ends_with("staging%2Fa")
    };
    proxy.fail_all(is_first, Fault::Rejected(CannedResponse::ACCESS_DENIED));
    let config = S3Config::default().with_upload_grace(Duration::ZERO);
    let builder = fake.endpoint().at(proxy.address()).builder(BUCKET);
    let backend = ObjectStoreBackend::gcs(builder, "p", config).unwrap();

    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), report(2, 1));
}
