//! Holds and leases.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use artifact_store::{CatalogInventory, ErrorKind, Hold, Removal};
use futures_util::future::join_all;

use super::{hold, host, id, insert_all, listed, worker_id};
use crate::support::{row, time};

const HOUR: Duration = Duration::from_hours(1);

pub(super) async fn held_rows_are_not_removed(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let expired = row(1).with_expires_at(time(1));
    insert_all(&*rows, &[expired.clone(), row(2)]).await;
    rows.place_hold(&hold(1)).await.unwrap();
    assert_eq!(rows.find_hold(id(1)).await.unwrap(), Some(hold(1)));
    assert_eq!(rows.find_hold(id(2)).await.unwrap(), None);
    assert_eq!(rows.remove(id(1)).await.unwrap(), Removal::Held);
    assert_eq!(
        rows.remove_expired(id(1)).await.unwrap(),
        Some(Removal::Held)
    );
    assert_eq!(rows.condemn(&[id(1)]).await.unwrap(), []);
    assert_eq!(rows.get(id(1)).await.unwrap(), Some(expired));
    assert_eq!(listed(&*rows, 5).await, [1, 2].map(id));

    assert!(rows.release_hold(id(1)).await.unwrap());
    assert!(!rows.release_hold(id(1)).await.unwrap());
    assert_eq!(rows.find_hold(id(1)).await.unwrap(), None);
    assert_eq!(rows.remove(id(1)).await.unwrap(), Removal::Removed);
}

pub(super) async fn the_first_hold_stays(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_all(&*rows, &[row(1)]).await;
    let first = Hold::new(
        id(1),
        worker_id().into(),
        "2024-01-02T03:04:05.678901Z".parse().unwrap(),
    );
    rows.place_hold(&first).await.unwrap();
    rows.place_hold(&hold(1)).await.unwrap();
    assert_eq!(rows.find_hold(id(1)).await.unwrap(), Some(first));
}

pub(super) async fn holds_need_a_row(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_all(&*rows, &[row(1)]).await;
    rows.remove(id(1)).await.unwrap();
    rows.condemn(&[id(2)]).await.unwrap();
    for n in [1, 2, 3] {
        let error = rows.place_hold(&hold(n)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{n}: {error}");
        assert_eq!(error.id(), Some(id(n)));
        assert_eq!(rows.find_hold(id(n)).await.unwrap(), None);
        assert!(!rows.release_hold(id(n)).await.unwrap());
    }
}

pub(super) async fn of_hold_and_remove_one_wins(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    for n in 0..100 {
        rows.insert(&row(n)).await.unwrap();
        let (one, two) = (Arc::clone(&rows), Arc::clone(&rows));
        let place = tokio::spawn(async move { one.place_hold(&hold(n)).await });
        let remove = tokio::spawn(async move { two.remove(id(n)).await });
        let found = match remove.await.unwrap().unwrap() {
            Removal::Removed => {
                let error = place.await.unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
                (None, None)
            }
            removal => {
                assert_eq!(removal, Removal::Held);
                place.await.unwrap().unwrap();
                (Some(row(n)), Some(hold(n)))
            }
        };
        assert_eq!(rows.get(id(n)).await.unwrap(), found.0);
        assert_eq!(rows.find_hold(id(n)).await.unwrap(), found.1);
    }
}

pub(super) async fn deletion_ignores_and_ends_a_hold(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_all(&*rows, &[row(1)]).await;
    rows.place_hold(&hold(1)).await.unwrap();
    rows.delete(id(1)).await.unwrap();
    assert_eq!(rows.get(id(1)).await.unwrap(), None);
    assert_eq!(rows.find_hold(id(1)).await.unwrap(), None);
    assert_eq!(rows.remove(id(1)).await.unwrap(), Removal::Absent);
}

pub(super) async fn only_one_holder_has_a_lease(rows: Arc<dyn CatalogInventory>) {
    let take = async |name, holder, period| {
        let taken = rows.take_lease(name, [holder; 16], period).await;
        taken.unwrap()
    };
    assert!(take("collect", 1, HOUR).await);
    assert!(!take("collect", 2, HOUR).await);
    assert!(take("collect", 1, HOUR).await, "it prolongs its lease");
    assert!(take("scrub", 2, HOUR).await, "another name");
    assert!(!take("collect", 2, Duration::ZERO).await);
    assert!(!take("collect", 2, HOUR).await, "only the holder releases");
    assert!(take("collect", 1, Duration::ZERO).await);
    assert!(take("collect", 2, Duration::MAX).await);
    assert!(!take("collect", 1, HOUR).await);

    let racers = (10..42).map(|holder| {
        let rows = Arc::clone(&rows);
        tokio::spawn(async move { rows.take_lease("race", [holder; 16], HOUR).await })
    });
    let racers = join_all(racers).await.into_iter();
    let winners = racers.filter(|taken| *taken.as_ref().unwrap().as_ref().unwrap());
    assert_eq!(winners.count(), 1);
}

pub(super) async fn leases_end_with_their_period(rows: Arc<dyn CatalogInventory>) {
    let period = Duration::from_millis(30);
    assert!(rows.take_lease("short", [1; 16], period).await.unwrap());
    let now = || UNIX_EPOCH.elapsed().unwrap();
    let deadline = now() + Duration::from_secs(30);
    while !rows.take_lease("short", [2; 16], HOUR).await.unwrap() {
        assert!(now() < deadline, "the lease never ends");
        tokio::task::yield_now().await;
    }
    assert!(!rows.take_lease("short", [1; 16], HOUR).await.unwrap());
}
