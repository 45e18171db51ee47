//! Times of expiry, and the retention of experiments.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{ArtifactId, CatalogInventory, ErrorKind, ExpiryPosition, Removal, Row};
use jiff::Timestamp;

use super::{hold, host, id, insert_all};
use crate::support::{experiment, other_experiment, row, time};

const SECOND: Duration = Duration::from_secs(1);
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);

fn far() -> Timestamp {
    "2500-01-01T00:00:00Z".parse().unwrap()
}

async fn expired(rows: &dyn CatalogInventory, limit: u32) -> Vec<ArtifactId> {
    let mut ids = Vec::new();
    let mut next = Some(ExpiryPosition::START);
    while let Some(after) = next {
        let page = rows.expired(&after, limit).await.unwrap();
        assert!(page.ids.len() <= limit as usize);
        assert!(
            page.next
                .as_ref()
                .is_none_or(|following| *following > after)
        );
        ids.extend(page.ids);
        next = page.next;
    }
    ids
}

async fn keep(rows: &dyn CatalogInventory, period: Option<Duration>) {
    rows.set_retention(&experiment(), period).await.unwrap();
}

pub(super) async fn the_time_of_expiry_is_kept(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let exact: Timestamp = "2031-01-02T03:04:05.678901Z".parse().unwrap();
    for (n, time) in (1..).zip([exact, Timestamp::MIN, Timestamp::MAX]) {
        let written = row(n).with_expires_at(time);
        assert!(written.expires_at.is_some());
        rows.insert(&written).await.unwrap();
        assert_eq!(rows.get(id(n)).await.unwrap(), Some(written));
    }
}

pub(super) async fn retention_belongs_to_an_existing_experiment(rows: Arc<dyn CatalogInventory>) {
    for period in [None, Some(SECOND)] {
        let error = rows.set_retention(&experiment(), period).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    assert_eq!(rows.retention(&experiment()).await.unwrap(), None);
    host(&*rows).await;
    assert_eq!(rows.retention(&experiment()).await.unwrap(), None);
    for period in [
        Some(SECOND),
        Some(CENTURY),
        None,
        None,
        Some(Duration::ZERO),
    ] {
        keep(&*rows, period).await;
        assert_eq!(rows.retention(&experiment()).await.unwrap(), period);
        assert_eq!(rows.retention(&other_experiment()).await.unwrap(), None);
    }
}

pub(super) async fn rows_without_a_time_of_their_own_expire_by_retention(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    let mut elsewhere = row(2);
    elsewhere.experiment = other_experiment();
    insert_all(&*rows, &[row(1), elsewhere]).await;
    assert_eq!(expired(&*rows, 5).await, []);
    assert_eq!(rows.remove_expired(id(1)).await.unwrap(), None);
    keep(&*rows, Some(CENTURY)).await;
    assert_eq!(expired(&*rows, 5).await, []);
    assert_eq!(rows.remove_expired(id(1)).await.unwrap(), None);
    keep(&*rows, Some(SECOND)).await;
    assert_eq!(expired(&*rows, 5).await, [id(1)], "it was there before");
    keep(&*rows, None).await;
    assert_eq!(expired(&*rows, 5).await, []);
    keep(&*rows, Some(SECOND)).await;
    assert_eq!(
        rows.remove_expired(id(1)).await.unwrap(),
        Some(Removal::Removed)
    );
    assert_eq!(rows.remove_expired(id(2)).await.unwrap(), None);
    assert_eq!(expired(&*rows, 5).await, []);
}

pub(super) async fn the_time_of_a_row_precedes_the_retention(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let (past, future) = (
        row(1).with_expires_at(time(1)),
        row(2).with_expires_at(far()),
    );
    insert_all(&*rows, &[past, future]).await;
    for period in [None, Some(SECOND), Some(CENTURY)] {
        keep(&*rows, period).await;
        assert_eq!(expired(&*rows, 5).await, [id(1)], "{period:?}");
        assert_eq!(rows.remove_expired(id(2)).await.unwrap(), None);
    }
}

pub(super) async fn only_expired_rows_without_a_hold_are_removed(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let all = [1, 2, 3].map(|n| row(n).with_expires_at(time(1)));
    insert_all(&*rows, &all).await;
    insert_all(&*rows, &[row(4)]).await;
    rows.place_hold(&hold(2)).await.unwrap();
    assert_eq!(expired(&*rows, 5).await, [1, 3].map(id));
    let mut outcomes = Vec::new();
    for n in 1..=4 {
        outcomes.push(rows.remove_expired(id(n)).await.unwrap());
    }
    let removed = Some(Removal::Removed);
    assert_eq!(outcomes, [removed, Some(Removal::Held), removed, None]);
    assert_eq!(expired(&*rows, 5).await, []);
    rows.release_hold(id(2)).await.unwrap();
    assert_eq!(expired(&*rows, 5).await, [id(2)]);
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

pub(super) async fn expired_rows_are_listed_in_pages(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    // Every third row has a time of its own, and every second one is in the other experiment.
    let mut expected = [Vec::new(), Vec::new()];
    for n in 0..40 {
        let mut new = row(n);
        if n % 2 == 0 {
            new.experiment = other_experiment();
        }
        if n % 3 == 0 {
            new = new.with_expires_at(time(1));
            expected[0].push(id(n));
        }
        rows.insert(&new).await.unwrap();
    }
    // Those with a time of their own come first.
    let [by_time, with_retention] = &mut expected;
    with_retention.clone_from(by_time);
    let others = (0..40).filter(|n| n % 3 != 0 && n % 2 == 1);
    with_retention.extend(others.map(id));
    for (period, expected) in [None, Some(SECOND)].into_iter().zip(expected) {
        keep(&*rows, period).await;
        for limit in [1, 3, 100] {
            assert_eq!(expired(&*rows, limit).await, expected, "{limit}");
        }
    }
}

pub(super) async fn extreme_times_do_not_overflow(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let created_at = |n, time| {
        let Row {
            id,
            experiment,
            created_by,
            size,
            sha256,
            ..
        } = row(n);
        Row::new(id, experiment, created_by, size, sha256, time)
    };
    let (first, last) = (created_at(1, Timestamp::MIN), created_at(2, Timestamp::MAX));
    insert_all(&*rows, &[first, last.clone()]).await;
    keep(&*rows, Some(Duration::MAX)).await;
    assert!(rows.retention(&experiment()).await.unwrap() > Some(100 * CENTURY));
    assert_eq!(expired(&*rows, 5).await, []);
    for n in [1, 2] {
        assert_eq!(rows.remove_expired(id(n)).await.unwrap(), None);
    }
    for period in [SECOND, Duration::ZERO] {
        keep(&*rows, Some(period)).await;
        assert_eq!(expired(&*rows, 5).await, [id(1)]);
        assert_eq!(rows.remove_expired(id(2)).await.unwrap(), None);
    }
    assert_eq!(rows.get(id(2)).await.unwrap(), Some(last));
}
