//! Rates, on a clock that moves only when all tasks wait.

use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactBackendExt, ArtifactId, ByteRange};
use artifact_layers::Throttle;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::support::{backend, noise, settle, stored};

#[track_caller]
fn assert_took(began: Instant, expected: Duration) {
    let took = began.elapsed();
    // The timer rounds each wait up to a millisecond.
    let slack = Duration::from_millis(2);
    assert!(
        took >= expected && took <= expected + slack,
        "{took:?} instead of {expected:?}"
    );
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[tokio::test(start_paused = true)]
async fn operations_are_spread_over_the_second() {
    let inner = backend();
    let id = stored(&inner).await;
    let throttle = Throttle::new()
        .with_operations_per_second(10)
        .with_burst(Duration::ZERO);
    let backend = inner.clone().layer(throttle.clone());
    let began = Instant::now();
    for _ in 0..21 {
        backend.load(id).await.unwrap();
    }
    assert_took(began, secs(2.0));
    // At once, the same.
    let (backend, began) = (inner.layer(throttle), Instant::now());
    join_all((0..21).map(|_| backend.load(id))).await;
    assert_took(began, secs(2.0));
}

#[tokio::test(start_paused = true)]
async fn a_high_rate_is_kept_although_the_timer_counts_milliseconds() {
    let inner = backend();
    let id = stored(&inner).await;
    let backend = inner.layer(Throttle::new().with_operations_per_second(50_000));
    let began = Instant::now();
    for _ in 0..50_000 {
        backend.load(id).await.unwrap();
    }
    assert_took(began, secs(0.999));
}

#[tokio::test(start_paused = true)]
async fn bytes_count_in_both_directions() {
    let backend = backend().layer(Throttle::new().with_bytes_per_second(1_000));
    let id = ArtifactId::mint();
    let began = Instant::now();
    // The first call passes at once, and the next one waits until its bytes are paid for.
    backend.store(id, noise(2_000)).await.unwrap();
    assert_took(began, secs(0.0));
    assert_eq!(backend.load(id).await.unwrap().len(), 2_000);
    assert_took(began, secs(2.0));
    let download = backend.download(id, ByteRange::Suffix(500)).await.unwrap();
    assert_took(began, secs(2.0));
    assert_eq!(download.into_bytes().await.unwrap().len(), 500);
    assert_took(began, secs(4.0));
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    upload.write(noise(1_000)).await.unwrap();
    assert_took(began, secs(4.5));
    upload.write(noise(1)).await.unwrap();
    assert_took(began, secs(5.5));
    upload.commit().await.unwrap();
    backend.stat(id).await.unwrap();
    assert_took(began, secs(5.5));
}

#[tokio::test(start_paused = true)]
async fn unused_time_is_saved_up_to_the_burst() {
    let inner = backend();
    let id = stored(&inner).await;
    let throttle = Throttle::new()
        .with_operations_per_second(10)
        .with_burst(secs(1.0));
    let backend = inner.layer(throttle);
    sleep(secs(60.0)).await;
    let began = Instant::now();
    for _ in 0..11 {
        backend.load(id).await.unwrap();
    }
    assert_took(began, secs(0.0));
    for _ in 0..5 {
        backend.load(id).await.unwrap();
    }
    assert_took(began, secs(0.5));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_uses_up_nothing() {
    let inner = backend();
    let id = stored(&inner).await;
    let throttle = Throttle::new()
        .with_operations_per_second(1)
        .with_burst(Duration::ZERO);
    let backend = inner.clone().layer(throttle);
    backend.load(id).await.unwrap();
    let began = Instant::now();
    let waiters: Vec<_> = (0..5)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.load(id).await })
        })
        .collect();
    settle().await;
    for waiter in waiters {
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    backend.load(id).await.unwrap();
    assert_took(began, secs(1.0));
}
