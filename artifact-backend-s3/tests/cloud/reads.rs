//! Bodies on their way out: slow, cut, and gone on with only where it is the same blob.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ByteRange};
use artifact_backend_s3::S3Config;
use artifact_cloud_test::{Answer, Fault, FaultProxy, Loss};
use bytes::Bytes;

use crate::place::Place;

fn config() -> S3Config {
    S3Config::default()
        .with_deadline(Duration::from_secs(5))
        .with_read_timeout(Duration::from_secs(1))
        .with_answer_timeout(Duration::from_secs(1))
}

fn blob(bytes: usize) -> Bytes {
    (0..bytes)
        .map(|at| u8::try_from(at / 7 % 251).unwrap())
        .collect()
}

/// A proxy before each place, and a blob of a megabyte there.
async fn each() -> Vec<(Place, FaultProxy, ArtifactId, Bytes)> {
    let mut all = Vec::new();
    for place in Place::each().await {
        let proxy = FaultProxy::start(place.address()).await.unwrap();
        let (id, bytes) = (ArtifactId::mint(), blob(1 << 20));
        place.open(config()).store(id, bytes.clone()).await.unwrap();
        all.push((place, proxy, id, bytes));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_again_and_again_is_gone_on_with() {
    for (place, proxy, id, bytes) in each().await {
        let backend = place.through(proxy.address()).open(config());
        for cut in 0..3 {
            proxy.fail_nth(cut, Fault::CutBody { after: 200_000 });
        }
        let whole = backend.download(id, ByteRange::Full).await.unwrap();
        assert_eq!(whole.into_bytes().await.unwrap(), bytes, "{}", place.name());
        let seen = proxy.seen();
        assert_eq!(seen.len(), 4, "{}: {seen:?}", place.name());
        // Each goes on where the one before ended, and only with the same object.
        assert_eq!(seen[1].headers["range"], "bytes=200000-1048575");
        assert!(
            seen[1..]
                .iter()
                .all(|seen| seen.headers.contains_key("if-match"))
        );

        proxy.clear();
        proxy.fail_nth(0, Fault::CutBody { after: 1_000 });
        let range = ByteRange::FromTo {
            first: 500,
            last: 90_000,
        };
        let part = backend.download(id, range).await.unwrap();
        assert_eq!(part.into_bytes().await.unwrap(), bytes[500..=90_000]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_body_is_never_gone_on_with_from_another_object() {
    for (place, proxy, id, _) in each().await {
        let backend = place.through(proxy.address()).open(config());
        proxy.fail_nth(0, Fault::CutBody { after: 200_000 });
        proxy.fail_nth(1, Fault::WrongETag);
        let whole = backend.download(id, ByteRange::Full).await.unwrap();
        let error = whole.into_bytes().await.unwrap_err();
        println!("{}: {error}", place.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_comes_and_a_silent_one_is_asked_for_again() {
    for (place, proxy, id, bytes) in each().await {
        let backend = place.through(proxy.address()).open(config());
        let slow = Fault::SlowBody {
            piece: 100_000,
            pause: Duration::from_millis(20),
        };
        proxy.fail_nth(0, slow);
        assert_eq!(backend.load(id).await.unwrap(), bytes, "{}", place.name());

        // Longer than a body may stall.
        proxy.clear();
        let stalled = Fault::SlowBody {
            piece: 600_000,
            pause: Duration::from_secs(20),
        };
        proxy.fail_nth(0, stalled);
        assert_eq!(backend.load(id).await.unwrap(), bytes, "{}", place.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_whose_answer_is_lost_is_asked_again() {
    for (place, proxy, id, bytes) in each().await {
        let backend = place.through(proxy.address()).open(config());
        for loss in Loss::ALL {
            proxy.clear();
            proxy.fail_nth(0, Fault::AnswerLost(loss));
            proxy.fail_nth(1, Fault::Refused(Answer::SLOW_DOWN));
            let loaded = backend.load(id).await;
            assert_eq!(loaded.unwrap(), bytes, "{}: {loss}", place.name());
        }
    }
}
