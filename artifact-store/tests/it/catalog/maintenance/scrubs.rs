//! The records of scrubs.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{CatalogInventory, RowPosition, ScrubRecord};

async fn last(rows: &dyn CatalogInventory) -> Option<ScrubRecord> {
    let last = rows.last_scrub().await.unwrap();
    last.map(|mut record| {
        // The test was started a moment ago, by any clock.
        assert!(record.age < Duration::from_mins(10), "{record:?}");
        record.age = Duration::ZERO;
        record
    })
}

pub(super) async fn the_newest_scrub_is_found_as_it_was_recorded(rows: Arc<dyn CatalogInventory>) {
    assert_eq!(last(&*rows).await, None);
    let mut first = ScrubRecord::new(1);
    rows.record_scrub(&first).await.unwrap();
    assert_eq!(last(&*rows).await, Some(first));
    first.reached = RowPosition::from_number(1 << 40);
    first.artifacts = 2;
    first.bytes = 1 << 50;
    first.corrupt = 3;
    first.missing = 4;
    first.orphaned = 5;
    first.unreadable_rows = 6;
    first.unchecked = 7;
    rows.record_scrub(&first).await.unwrap();
    first.known_damaged = 3 + 4;
    assert_eq!(last(&*rows).await, Some(first));
    first.is_finished = true;
    rows.record_scrub(&first).await.unwrap();
    let mut second = ScrubRecord::new(2);
    rows.record_scrub(&second).await.unwrap();
    second.known_damaged = 3 + 4;
    assert_eq!(last(&*rows).await, Some(second));
    rows.record_scrub(&first).await.unwrap();
    assert_eq!(last(&*rows).await, Some(second));
}

pub(super) async fn damage_is_known_until_a_scrub_has_checked_everything(
    rows: Arc<dyn CatalogInventory>,
) {
    // The number, the findings, what was not checked, whether the scrub is finished, and what is known then.
    for (number, corrupt, missing, unchecked, is_finished, known) in [
        (1, 0, 0, 0, false, 0),
        (1, 2, 1, 0, false, 3),
        (1, 2, 1, 0, true, 3),
        // The next one has not found it again yet.
        (2, 0, 0, 0, false, 3),
        (2, 1, 0, 0, false, 3),
        (2, 4, 0, 0, false, 4),
        // It could not read all.
        (2, 4, 0, 1, true, 4),
        (3, 0, 0, 1, true, 4),
        (4, 0, 0, 0, false, 4),
        (4, 0, 1, 0, true, 1),
        (5, 0, 0, 0, false, 1),
        (5, 0, 0, 0, true, 0),
    ] {
        let mut record = ScrubRecord::new(number);
        record.corrupt = corrupt;
        record.missing = missing;
        record.unchecked = unchecked;
        record.is_finished = is_finished;
        rows.record_scrub(&record).await.unwrap();
        record.known_damaged = known;
        assert_eq!(last(&*rows).await, Some(record));
    }
}

pub(super) async fn the_record_of_a_finished_scrub_stays(rows: Arc<dyn CatalogInventory>) {
    let mut finished = ScrubRecord::new(1);
    finished.artifacts = 9;
    finished.is_finished = true;
    rows.record_scrub(&finished).await.unwrap();
    // A process that was suspended goes on.
    let late = ScrubRecord::new(1);
    rows.record_scrub(&late).await.unwrap();
    assert_eq!(last(&*rows).await, Some(finished));
}

pub(super) async fn the_age_of_a_scrub_counts_from_its_first_record(
    rows: Arc<dyn CatalogInventory>,
) {
    let mut record = ScrubRecord::new(1);
    rows.record_scrub(&record).await.unwrap();
    let age = async || rows.last_scrub().await.unwrap().unwrap().age;
    while age().await < Duration::from_millis(20) {
        tokio::task::yield_now().await;
    }
    record.is_finished = true;
    rows.record_scrub(&record).await.unwrap();
    assert!(age().await >= Duration::from_millis(20));
}
