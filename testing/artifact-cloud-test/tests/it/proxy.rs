//! Each fault as a client sees it, and what it leaves in the store.

use std::time::Duration;

use artifact_cloud_test::{Answer, Fault, FaultProxy, GcsFake, Loss};
use bytes::Bytes;
use futures_util::FutureExt as _;
use object_store::client::ClientOptions;
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, RetryConfig};

struct World {
    _fake: GcsFake,
    proxy: FaultProxy,
    direct: GoogleCloudStorage,
    /// Without retries: it says what it met.
    through: GoogleCloudStorage,
}

impl World {
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
async fn without_a_script_nothing_happens_to_a_request() {
    let world = World::new().await;
    world.create("a").await.unwrap();
    let got = world.through.get(&Path::from("a")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), Bytes::from_static(b"ours"));
    assert_eq!(world.through.head(&Path::from("a")).await.unwrap().size, 4);
    let seen = world.proxy.seen();
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
async fn a_lost_answer_is_an_error_of_something_done() {
    let world = World::new().await;
    for loss in Loss::ALL {
        world.proxy.clear();
        world.proxy.fail_nth(0, Fault::AnswerLost(loss));
        let key = format!("done-{loss}");
        world.create(&key).await.unwrap_err();
        assert!(world.is_there(&key).await, "{loss}");
        assert_eq!(world.proxy.seen()[0].status, Some(200), "{loss}");
    }
}

#[tokio::test]
async fn a_lost_request_is_an_error_of_nothing_done() {
    let world = World::new().await;
    for loss in Loss::ALL {
        world.proxy.clear();
        world.proxy.fail_nth(0, Fault::RequestLost(loss));
        let key = format!("not-done-{loss}");
        world.create(&key).await.unwrap_err();
        assert!(!world.is_there(&key).await, "{loss}");
        assert_eq!(world.proxy.seen()[0].status, None, "{loss}");
        // Only that one request.
        world.create(&key).await.unwrap();
    }
}

#[tokio::test]
async fn answers_in_the_stores_place_come_with_and_without_the_work_done() {
    let world = World::new().await;
    world
        .proxy
        .fail_nth(0, Fault::AnswerReplaced(Answer::SLOW_DOWN));
    let done = world.create("done").await.unwrap_err();
    assert!(format!("{done:?}").contains("SlowDown"), "{done:?}");
    assert!(world.is_there("done").await);

    world
        .proxy
        .fail_nth(1, Fault::Refused(Answer::PRECONDITION_FAILED));
    let refused = world.create("refused").await;
    assert!(
        matches!(refused, Err(Error::AlreadyExists { .. })),
        "{refused:?}"
    );
    assert!(!world.is_there("refused").await);
}

#[tokio::test]
async fn another_client_can_be_let_in_first() {
    let world = World::new().await;
    let direct = world.direct.clone();
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
    world.proxy.fail_next(|seen| seen.method == "PUT", fault);
    let late = world.create("a").await;
    assert!(matches!(late, Err(Error::AlreadyExists { .. })), "{late:?}");
}

#[tokio::test]
async fn bodies_are_cut_and_slow_and_e_tags_are_exchanged() {
    let world = World::new().await;
    let blob = Bytes::from(vec![7; 10_000]);
    let key = Path::from("a");
    world.direct.put(&key, blob.clone().into()).await.unwrap();

    world.proxy.fail_nth(0, Fault::CutBody { after: 4_000 });
    let got = world.through.get(&key).await.unwrap();
    assert_eq!(got.meta.size, 10_000);
    got.bytes().await.unwrap_err();

    world.proxy.clear();
    let pause = Duration::from_millis(1);
    world.proxy.fail_nth(
        0,
        Fault::SlowBody {
            piece: 1_000,
            pause,
        },
    );
    let began = tokio::time::Instant::now();
    let got = world.through.get(&key).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), blob);
    assert!(began.elapsed() >= pause * 10);

    world.proxy.fail_nth(1, Fault::WrongETag);
    let got = world.through.get(&key).await.unwrap();
    assert_eq!(got.meta.e_tag.as_deref(), Some("\"another\""));
}

#[tokio::test]
async fn every_request_from_one_on_can_fail() {
    let world = World::new().await;
    world
        .proxy
        .fail_from(1, Fault::Refused(Answer::ACCESS_DENIED));
    world.create("a").await.unwrap();
    for key in ["b", "c"] {
        let refused = world.create(key).await;
        assert!(
            matches!(refused, Err(Error::PermissionDenied { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(world.proxy.seen().len(), 3);
}
