//! Response bodies that are slow or cut, and resumed only if the object is the same.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ByteRange};
use artifact_backend_s3::S3Config;
use artifact_cloud_test::{CannedResponse, Fault, FaultProxy, Loss};
use bytes::Bytes;

use crate::location::Location;

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

/// Returns, for each location, a proxy in front of it and a stored blob of 1 MiB.
async fn each() -> Vec<(Location, FaultProxy, ArtifactId, Bytes)> {
    let mut all = Vec::new();
    for location in Location::each().await {
        let proxy = FaultProxy::start(location.address()).await.unwrap();
        let (id, bytes) = (ArtifactId::mint(), blob(1 << 20));
        location
            .open(config())
            .store(id, bytes.clone())
            .await
            .unwrap();
        all.push((location, proxy, id, bytes));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_several_times_is_resumed() {
    for (location, proxy, id, bytes) in each().await {
        let backend = location.through(proxy.address()).open(config());
        for cut in 0..3 {
            proxy.fail_nth(cut, Fault::CutBody { after: 200_000 });
        }
        let whole = backend.download(id, ByteRange::Full).await.unwrap();
        assert_eq!(
            whole.into_bytes().await.unwrap(),
            bytes,
            "{}",
            location.name()
        );
        let seen = proxy.requests();
        assert_eq!(seen.len(), 4, "{}: {seen:?}", location.name());
        // Each request resumes where the previous one ended, and requires the same object.
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
async fn a_cut_body_is_never_resumed_from_another_object() {
    for (location, proxy, id, _) in each().await {
        let backend = location.through(proxy.address()).open(config());
        proxy.fail_nth(0, Fault::CutBody { after: 200_000 });
        proxy.fail_nth(1, Fault::WrongETag);
        let whole = backend.download(id, ByteRange::Full).await.unwrap();
        let error = whole.into_bytes().await.unwrap_err();
        println!("{}: {error}", location.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_are_read_and_stalled_ones_are_requested_again() {
    for (location, proxy, id, bytes) in each().await {
        let backend = location.through(proxy.address()).open(config());
        let slow = Fault::SlowBody {
            chunk: 100_000,
            pause: Duration::from_millis(20),
        };
        proxy.fail_nth(0, slow);
        assert_eq!(
            backend.load(id).await.unwrap(),
            bytes,
            "{}",
            location.name()
        );

        // The pause is longer than a body may stall.
        proxy.clear();
        let stalled = Fault::SlowBody {
            chunk: 600_000,
            pause: Duration::from_secs(20),
        };
        proxy.fail_nth(0, stalled);
        assert_eq!(
            backend.load(id).await.unwrap(),
            bytes,
            "{}",
            location.name()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_repeated_if_the_response_is_lost() {
    for (location, proxy, id, bytes) in each().await {
        let backend = location.through(proxy.address()).open(config());
        for loss in Loss::ALL {
            proxy.clear();
            proxy.fail_nth(0, Fault::ResponseLost(loss));
            proxy.fail_nth(1, Fault::Rejected(CannedResponse::SLOW_DOWN));
            let loaded = backend.load(id).await;
            assert_eq!(loaded.unwrap(), bytes, "{}: {loss}", location.name());
        }
    }
}
