//! The move from one database to another.

use artifact_store::{
    Backend, Database, ErrorKind, JoinError, ListPosition, MemoryDatabase, StoreHalves, StoreId,
    copy_database,
};

use super::{dump, load, records};
use crate::support::row;

const NAME: &str = "mem:new";
const ID: StoreId = StoreId::from_bytes([5; 16]);

/// Moves contents. `other` is the same database as `from`, opened again.
pub(super) async fn assert_moves(from: &Database, other: &Database, to: &Database) {
    load(from, Some(ID), &records::small()).await.unwrap();
    other.catalog.insert(&row(6)).await.unwrap();
    let before = dump(from).await;
    let mut seen = 0;
    let report = copy_database(from, to, NAME, |records| seen = records)
        .await
        .unwrap();
    assert_eq!((report.artifacts, report.was_complete), (5, false));
    assert_eq!(
        (report.records, seen),
        (before.1.len() as u64, before.1.len() as u64)
    );
    assert_eq!(dump(to).await, before);
    assert_eq!(dump(from).await, before, "the old database can be read");

    for database in [from, other] {
        assert_refuses_writes(database).await;
        assert_eq!(database.catalog.get(row(1).id).await.unwrap(), Some(row(1)));
    }
    to.catalog.insert(&row(7)).await.unwrap();
    let again = copy_database(from, to, NAME, |_| {}).await.unwrap();
    assert!(again.was_complete);
    let elsewhere = copy_database(from, to, "mem:elsewhere", |_| {})
        .await
        .unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::Misconfigured);

    from.portable().unwrap().clear_moved().await.unwrap();
    other.catalog.insert(&row(7)).await.unwrap();
    assert_eq!(from.portable().unwrap().moved_to().await.unwrap(), None);
}

async fn assert_refuses_writes(database: &Database) {
    let moved = |error: artifact_store::Error| {
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
        assert!(
            error.to_string().contains("this database was moved"),
            "{error}"
        );
    };
    moved(database.catalog.insert(&row(7)).await.unwrap_err());
    moved(database.inventory.remove(row(1).id).await.unwrap_err());
    moved(database.inventory.condemn(&[row(99).id]).await.unwrap_err());
    moved(database.catalog.delete(row(1).id).await.unwrap_err());
    moved(
        database
            .inventory
            .release_hold(row(2).id)
            .await
            .unwrap_err(),
    );
    let experiment = crate::support::experiment();
    moved(
        database
            .inventory
            .set_retention(&experiment, None)
            .await
            .unwrap_err(),
    );
    let groups = database
        .identities
        .group_page(&experiment, None, &ListPosition::default())
        .await;
    let group = groups.unwrap().records[0].id;
    let member = crate::support::worker_id().into();
    moved(
        database
            .identities
            .add_member(&experiment, group, member)
            .await
            .unwrap_err(),
    );
    let backend = Backend::from_url("mem:").await.unwrap();
    backend.inventory().create_store_id(ID).await.unwrap();
    for outcome in [
        StoreHalves::new(database, &backend).join().await.map(Some),
        StoreHalves::new(database, &backend).check().await,
        StoreHalves::new(database, &backend).adopt().await.map(Some),
    ] {
        let JoinError::Failed(error) = outcome.unwrap_err() else {
            panic!("it is not a mismatch");
        };
        moved(error);
    }
}

#[tokio::test]
async fn a_database_in_memory_refuses_writes_after_a_move() {
    let from = Database::new(MemoryDatabase::new());
    assert_moves(&from, &from.clone(), &Database::new(MemoryDatabase::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn an_sqlite_file_refuses_writes_of_every_process_after_a_move() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.sqlite");
    let (other, from) = (
        super::sqlite::open(&old).await,
        super::sqlite::open(&old).await,
    );
    let to = super::sqlite::open(&folder.path().join("new.sqlite")).await;
    assert_moves(&from, &other, &to).await;
}

#[tokio::test]
async fn a_move_that_fails_leaves_the_old_database_in_use() {
    let from = Database::new(MemoryDatabase::new());
    load(&from, Some(ID), &records::small()).await.unwrap();
    let full = Database::new(MemoryDatabase::new());
    load(&full, None, &records::small()).await.unwrap();
    let refused = copy_database(&from, &full, NAME, |_| {}).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    from.catalog.insert(&row(7)).await.unwrap();
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn an_unreadable_record_stops_a_move_and_the_old_database_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sqlite");
    let from = super::sqlite::open(&path).await;
    load(&from, Some(ID), &records::small()).await.unwrap();
    let shell = rusqlite::Connection::open(&path).unwrap();
    shell
        .execute_batch("UPDATE workers SET registered_at = 9223372036854775807")
        .unwrap();
    let to = Database::new(MemoryDatabase::new());
    let refused = copy_database(&from, &to, NAME, |_| {}).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert_eq!(dump(&to).await.1, []);
    from.catalog.insert(&row(7)).await.unwrap();
}

#[tokio::test]
async fn a_move_that_was_killed_is_repeated() {
    let from = Database::new(MemoryDatabase::new());
    load(&from, Some(ID), &records::small()).await.unwrap();
    from.portable().unwrap().mark_moved(NAME).await.unwrap();
    let to = Database::new(MemoryDatabase::new());
    let report = copy_database(&from, &to, NAME, |_| {}).await.unwrap();
    assert_eq!((report.artifacts, report.was_complete), (4, false));
    assert_eq!(dump(&to).await, dump(&from).await);
}
