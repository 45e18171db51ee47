//! Each fault as a client sees it, and its effect on the store.

use std::time::Duration;

use artifact_cloud_test::{CannedResponse, Fault, FaultProxy, GcsFake, Loss};
use bytes::Bytes;
use futures_util::FutureExt as _;
use object_store::client::ClientOptions;
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, RetryConfig};

struct Setup {
    _fake: GcsFake,
    proxy: FaultProxy,
    direct: GoogleCloudStorage,
    /// Without retries, so that it reports each fault.
    through: GoogleCloudStorage,
}

impl Setup {
    async fn new() -> Self {
        let fake = GcsFake::start().await.unwrap();
        fake.create_bucket("blobs");
        let proxy = FaultProxy::start(fake.endpoint().address()).await.unwrap();
        let direct = fake.endpoint().builder("blobs").build().unwrap();
        let through = fake.endpoint().at(proxy.address()).builder("blobs");
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_timeout(Duration::from_millis(300));
        let retry = RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        };
        let through = through.with_client_options(options).with_retry(retry);
        Self {
            _fake: fake,
            proxy,
            direct,
            through: through.build().unwrap(),
        }
    }

    async fn create(&self, key: &str) -> Result<(), Error> {
        let options = PutMode::Create.into();
        let key = Path::from(key);
        let put = self.through.put_opts(&key, "ours".into(), options);
        put.await.map(drop)
    }

    async fn is_there(&self, key: &str) -> bool {
        self.direct.head(&Path::from(key)).await.is_ok()
    }
}

#[tokio::test]
async fn without_a_script_requests_are_unchanged() {
    let setup = Setup::new().await;
    setup.create("a").await.unwrap();
    let got = setup.through.get(&Path::from("a")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), Bytes::from_static(b"ours"));
    assert_eq!(setup.through.head(&Path::from("a")).await.unwrap().size, 4);
    let seen = setup.proxy.requests();
    let short: Vec<_> = seen
        .iter()
        .map(|seen| {
            (
                seen.number,
                seen.method.as_str(),
                seen.path.as_str(),
                seen.body,
                seen.status,
            )
        })
        .collect();
    assert_eq!(
        short,
        [
            (0, "PUT", "/blobs/a", 4, Some(200)),
            (1, "GET", "/blobs/a", 0, Some(200)),
            (2, "HEAD", "/blobs/a", 0, Some(200)),
        ]
    );
    assert_eq!(seen[0].headers["x-goog-if-generation-match"], "0");
}

#[tokio::test]
async fn a_request_with_a_lost_response_is_carried_out() {
    let setup = Setup::new().await;
    for loss in Loss::ALL {
        setup.proxy.clear();
        setup.proxy.fail_nth(0, Fault::ResponseLost(loss));
        let key = format!("done-{loss}");
        setup.create(&key).await.unwrap_err();
        assert!(setup.is_there(&key).await, "{loss}");
        assert_eq!(setup.proxy.requests()[0].status, Some(200), "{loss}");
    }
}

#[tokio::test]
async fn a_lost_request_is_not_carried_out() {
    let setup = Setup::new().await;
    for loss in Loss::ALL {
        setup.proxy.clear();
        setup.proxy.fail_nth(0, Fault::RequestLost(loss));
        let key = format!("not-done-{loss}");
        setup.create(&key).await.unwrap_err();
        assert!(!setup.is_there(&key).await, "{loss}");
        assert_eq!(setup.proxy.requests()[0].status, None, "{loss}");
        // Only that one request was lost.
        setup.create(&key).await.unwrap();
    }
}

#[tokio::test]
async fn canned_responses_can_replace_a_response_or_reject_a_request() {
    let setup = Setup::new().await;
    setup
        .proxy
        .fail_nth(0, Fault::ResponseReplaced(CannedResponse::SLOW_DOWN));
    let done = setup.create("done").await.unwrap_err();
    assert!(format!("{done:?}").contains("SlowDown"), "{done:?}");
    assert!(setup.is_there("done").await);

    setup
        .proxy
        .fail_nth(1, Fault::Rejected(CannedResponse::PRECONDITION_FAILED));
    let refused = setup.create("refused").await;
    assert!(
        matches!(refused, Err(Error::AlreadyExists { .. })),
        "{refused:?}"
    );
    assert!(!setup.is_there("refused").await);
}

#[tokio::test]
async fn another_client_can_write_first() {
    let setup = Setup::new().await;
    let direct = setup.direct.clone();
    let overtake = move || {
        let direct = direct.clone();
        async move {
            direct
                .put(&Path::from("a"), "another's".into())
                .await
                .unwrap();
        }
        .boxed()
    };
    let fault = Fault::Overtaken(std::sync::Arc::new(overtake));
    setup.proxy.fail_next(|seen| seen.method == "PUT", fault);
    let late = setup.create("a").await;
    assert!(matches!(late, Err(Error::AlreadyExists { .. })), "{late:?}");
}

#[tokio::test]
async fn bodies_are_cut_or_slowed_and_e_tags_are_replaced() {
    let setup = Setup::new().await;
    let blob = Bytes::from(vec![7; 10_000]);
    let key = Path::from("a");
    setup.direct.put(&key, blob.clone().into()).await.unwrap();

    setup.proxy.fail_nth(0, Fault::CutBody { after: 4_000 });
    let got = setup.through.get(&key).await.unwrap();
    assert_eq!(got.meta.size, 10_000);
    got.bytes().await.unwrap_err();

    setup.proxy.clear();
    let pause = Duration::from_millis(1);
    setup.proxy.fail_nth(
        0,
        Fault::SlowBody {
            chunk: 1_000,
            pause,
        },
    );
    let began = tokio::time::Instant::now();
    let got = setup.through.get(&key).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), blob);
    assert!(began.elapsed() >= pause * 10);

    setup.proxy.fail_nth(1, Fault::WrongETag);
    let got = setup.through.get(&key).await.unwrap();
    assert_eq!(got.meta.e_tag.as_deref(), Some("\"another\""));
}

#[tokio::test]
async fn fail_from_rejects_every_later_request() {
    let setup = Setup::new().await;
    setup
        .proxy
        .fail_from(1, Fault::Rejected(CannedResponse::ACCESS_DENIED));
    setup.create("a").await.unwrap();
    for key in ["b", "c"] {
        let refused = setup.create(key).await;
        assert!(
            matches!(refused, Err(Error::PermissionDenied { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(setup.proxy.requests().len(), 3);
}
