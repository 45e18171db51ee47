//! Maintenance of a SQLite file: values that were edited by hand, and long lists.

use std::path::PathBuf;

use artifact_store::{
    Catalog, CatalogInventory as _, ErrorKind, Experiment, ExpiryPosition, Hold, PrincipalId,
    Removal, RowFilter, RowPosition, SqliteDatabase, StoreIdRecord as _,
};
use futures_util::future::join;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{experiment, other_experiment, row, time};

async fn opened() -> (TempDir, PathBuf, SqliteDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let rows = SqliteDatabase::open(&path).await.unwrap();
    for id in [experiment(), other_experiment()] {
        let new = Experiment::new(id, time(1));
        rows.create_experiment(&new).await.unwrap();
    }
    (folder, path, rows)
}

/// Opens a connection that may edit everything.
fn editor(path: &PathBuf) -> Connection {
    let other = Connection::open(path).unwrap();
    other
        .execute_batch("PRAGMA foreign_keys = OFF; DROP TRIGGER artifact_rows_never_change")
        .unwrap();
    other
}

#[tokio::test]
async fn lists_leave_out_and_count_unreadable_rows() {
    let (_folder, path, rows) = opened().await;
    for n in 1..=5 {
        rows.insert(&row(n)).await.unwrap();
    }
    let other = editor(&path);
    let edit = |set: &str, n: u8| {
        let sql = format!("UPDATE artifact_rows SET {set} WHERE size = {n}");
        assert_eq!(other.execute(&sql, []).unwrap(), 1);
    };
    edit("content_type = 'a' || char(10)", 2);
    edit("file_name = CAST(x'ff' AS TEXT)", 4);
    let mut filter = RowFilter::of_experiment(experiment());
    let page = rows.scan(&filter, RowPosition::START, 3).await.unwrap();
    let ids: Vec<_> = page.rows.iter().map(|row| row.id).collect();
    assert_eq!(ids, [1, 3, 5].map(|n| row(n).id));
    assert_eq!((page.unreadable, page.next), (2, None));
    // A page of readable rows only counts nothing.
    let page = rows.scan(&filter, RowPosition::START, 1).await.unwrap();
    assert_eq!((page.rows.len(), page.unreadable), (1, 0));
    filter.created_by = Some(row(1).created_by);
    let page = rows.scan(&filter, page.next.unwrap(), 1).await.unwrap();
    assert_eq!((page.rows.len(), page.unreadable), (1, 1));
    let elsewhere = RowFilter::of_experiment(other_experiment());
    let page = rows.scan(&elsewhere, RowPosition::START, 5).await.unwrap();
    assert_eq!(page.unreadable, 0);
    edit("created_by = 'wkr_root'", 5);
    let error = rows.usage(&experiment(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_unreadable_hold_is_in_force() {
    let (_folder, path, rows) = opened().await;
    let other = editor(&path);
    let far = i64::MAX.to_string();
    for (n, edit) in (1..).zip([
        "placed_by = 'wkr_root'",
        "placed_by = CAST(x'ff' AS TEXT)",
        &format!("placed_at = {far}"),
    ]) {
        let id = row(n).id;
        let expired = row(n).with_expires_at(time(1));
        rows.insert(&expired).await.unwrap();
        let hold = Hold::new(id, PrincipalId::Admin, time(2));
        rows.place_hold(&hold).await.unwrap();
        other
            .execute(&format!("UPDATE holds SET {edit}"), [])
            .unwrap();
        let error = rows.find_hold(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{edit}: {error}");
        assert_eq!(error.id(), Some(id));
        assert_eq!(rows.remove(id).await.unwrap(), Removal::Held);
        let removal = rows.remove_expired(id).await.unwrap();
        assert_eq!(removal, Some(Removal::Held));
        let page = rows.expired(&ExpiryPosition::START, 9).await.unwrap();
        assert_eq!(page.ids, []);
        assert!(rows.release_hold(id).await.unwrap());
        assert_eq!(rows.remove(id).await.unwrap(), Removal::Removed);
    }
}

#[tokio::test]
async fn nothing_is_removed_if_the_holds_cannot_be_read() {
    let (_folder, path, rows) = opened().await;
    let expired = row(1).with_expires_at(time(1));
    rows.insert(&expired).await.unwrap();
    editor(&path).execute_batch("DROP TABLE holds").unwrap();
    rows.remove(expired.id).await.unwrap_err();
    rows.remove_expired(expired.id).await.unwrap_err();
    assert_eq!(rows.get(expired.id).await.unwrap(), Some(expired));
}

#[tokio::test]
async fn one_page_looks_at_ten_thousand_rows() {
    let (_folder, path, rows) = opened().await;
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10001)
             INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, sha256, created_at)
             SELECT CAST(format('%016d', n) AS BLOB), 'exp-1', 'admin', n, 'a/b', zeroblob(32), 0
             FROM numbers",
        )
        .unwrap();
    let period = std::time::Duration::from_hours(100 * 365 * 24);
    rows.set_retention(&experiment(), Some(period))
        .await
        .unwrap();
    for experiment in [None, Some(experiment())] {
        let mut filter = RowFilter::default();
        filter.experiment = experiment;
        filter.min_size = Some(10_001);
        let page = rows.scan(&filter, RowPosition::START, 5).await.unwrap();
        assert_eq!(page.rows, []);
        let next = page.next.unwrap();
        let page = rows.scan(&filter, next, 5).await.unwrap();
        assert_eq!((page.rows.len(), page.next), (1, None));
    }
    let page = rows.expired(&ExpiryPosition::START, 5).await.unwrap();
    assert_eq!((page.ids, page.next), (vec![], None), "no row has expired");
    // Tombstones count too, so a page of them is as short.
    other
        .execute_batch("DELETE FROM artifacts WHERE size <= 5000")
        .unwrap();
    let all = RowFilter::default();
    let mut after = RowPosition::from_number(10_000);
    let page = rows.scan(&all, after, 5).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (1, None));
    after = RowPosition::START;
    let mut found = 0;
    while let Some(next) = {
        let page = rows.scan(&all, after, 1_000).await.unwrap();
        found += page.rows.len();
        page.next
    } {
        after = next;
    }
    assert_eq!(found, 5_001);
}

#[tokio::test]
async fn removals_survive_a_restart_and_are_seen_by_every_process() {
    let (_folder, path, rows) = opened().await;
    let other = SqliteDatabase::open(&path).await.unwrap();
    for n in 1..=3 {
        rows.insert(&row(n)).await.unwrap();
    }
    rows.remove(row(3).id).await.unwrap();
    rows.remove(row(1).id).await.unwrap();
    let last = rows.last_removal().await.unwrap();
    assert_eq!(other.last_removal().await.unwrap(), last);
    assert_eq!(other.get(row(1).id).await.unwrap(), None);
    assert_eq!(other.some_rows().await.unwrap(), [row(2).id]);
    drop((rows, other));

    let rows = SqliteDatabase::open(&path).await.unwrap();
    let page = rows.removals(RowPosition::START, 9).await.unwrap();
    assert_eq!(page.ids, [3, 1].map(|n| row(n).id));
    assert_eq!(page.next, last);
    let error = rows.insert(&row(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    // A new position is after all that were ever given, also after that of a removed row.
    rows.condemn(&[row(9).id]).await.unwrap();
    assert!(rows.last_removal().await.unwrap() > last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_insert_and_condemn_in_two_processes_one_wins() {
    let (_folder, path, rows) = opened().await;
    let other = SqliteDatabase::open(&path).await.unwrap();
    let mut wins = [0, 0];
    for n in 0..100 {
        let (new, ids) = (row(n), [row(n).id]);
        let insert = async {
            // Each goes first in half of the races.
            if n % 2 == 0 {
                tokio::task::yield_now().await;
            }
            rows.insert(&new).await
        };
        let (inserted, condemned) = join(insert, other.condemn(&ids)).await;
        let expected = match inserted {
            Ok(()) => vec![],
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
                ids.to_vec()
            }
        };
        wins[expected.len()] += 1;
        assert_eq!(condemned.unwrap(), expected);
        let found = other.get(new.id).await.unwrap();
        assert_eq!(found.is_some(), expected.is_empty());
    }
    eprintln!(
        "the insert won {} times, the other {} times",
        wins[0], wins[1]
    );
}
