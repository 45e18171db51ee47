//! Copies of SQLite files.

use std::path::Path;

use artifact_store::{
    ArtifactId, CatalogInventory as _, Database, DumpRecord, ErrorKind, MemoryDatabase,
    SqliteDatabase,
};

use super::{assert_round_trip, block_on, dump, for_contents, load, records};
use crate::support::row;

pub(super) async fn open(path: &Path) -> Database {
    Database::new(SqliteDatabase::open(path).await.unwrap())
}

#[test]
fn sqlite_returns_any_contents_that_were_written() {
    for_contents(24, |records| {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rows.sqlite");
            let database = open(&path).await;
            assert_round_trip(&database, &records).await;
            database.close().await.unwrap();
            // It is in the file.
            let again = open(&path).await;
            assert_eq!(dump(&again).await.1, records);
        });
    });
}

#[tokio::test]
async fn a_copy_of_sqlite_is_as_valid_as_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let one = open(&folder.path().join("one.sqlite")).await;
    load(&one, None, &records::small()).await.unwrap();
    let memory = Database::new(MemoryDatabase::new());
    let (id, records) = dump(&one).await;
    load(&memory, id, &records).await.unwrap();
    let two = open(&folder.path().join("two.sqlite")).await;
    let (id, records) = dump(&memory).await;
    load(&two, id, &records).await.unwrap();
    for database in [one, memory, two] {
        records::assert_small_is_in_force(&database).await;
    }
}

#[tokio::test]
async fn sqlite_reads_grants_before_and_without_their_collections() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    super::assert_older_order_is_read(&open(&one).await).await;
    super::assert_grants_without_their_collection_are_left_out(&open(&other).await).await;
}

#[tokio::test]
async fn a_load_into_sqlite_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = open(&path).await;
    let mut dropped = database.portable().unwrap().begin_load().await.unwrap();
    dropped.write(records::small()).await.unwrap();
    // Nothing is visible before the commit.
    assert_eq!(dump(&database).await.1, []);
    drop(dropped);
    assert_eq!(dump(&database).await.1, []);
    let twice = [records::small(), records::small()].concat();
    let refused = load(&database, None, &twice).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(dump(&database).await.1, []);
    load(&database, None, &records::small()).await.unwrap();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_counted_and_its_hold_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = open(&path).await;
    load(&database, None, &records::small()).await.unwrap();
    let shell = rusqlite::Connection::open(&path).unwrap();
    shell
        .execute_batch("UPDATE holds SET placed_at = 9223372036854775807; UPDATE workers SET registered_at = 9223372036854775807")
        .unwrap();
    let mut snapshot = database.portable().unwrap().snapshot().await.unwrap();
    let mut records = Vec::new();
    while let Some(batch) = snapshot.next().await.unwrap() {
        records.extend(batch);
    }
    assert_eq!(snapshot.unreadable(), 2);
    let holds = records.iter().filter_map(|record| match record {
        DumpRecord::Hold(hold) => Some((hold.id, hold.placed_by.as_str().to_owned())),
        _ => None,
    });
    assert_eq!(holds.collect::<Vec<_>>(), [(row(2).id, "admin".to_owned())]);
    assert!(
        !records
            .iter()
            .any(|record| matches!(record, DumpRecord::Worker { .. }))
    );
}

/// Every snapshot has all rows up to one moment and none after it, and each removed id exactly once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_is_of_one_moment_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("rows.sqlite")).await;
    super::assert_snapshots_of_one_moment(&database).await;
}

#[tokio::test]
async fn a_snapshot_does_not_see_what_is_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = open(&path).await;
    load(&database, None, &records::small()).await.unwrap();
    let before = dump(&database).await.1;
    let mut snapshot = database.portable().unwrap().snapshot().await.unwrap();
    database.catalog.insert(&row(7)).await.unwrap();
    let sqlite = SqliteDatabase::open(&path).await.unwrap();
    sqlite.remove(row(1).id).await.unwrap();
    let mut found = Vec::new();
    while let Some(batch) = snapshot.next().await.unwrap() {
        found.extend(batch);
    }
    assert_eq!(found, before);
    let removed =
        |record: &DumpRecord| *record == DumpRecord::Removed(ArtifactId::from_bytes([1; 16]));
    assert!(!found.iter().any(removed));
    assert!(dump(&database).await.1.iter().any(removed));
}
