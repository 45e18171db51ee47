//! Keys of deposits that are no longer kept, and two processes on one database.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::ManualClock;
use artifact_store::{
    ArtifactId, Catalog, CatalogInventory, Experiment, IdempotencyKey, MemoryDatabase,
};
use futures_util::future::join_all;

use crate::support::{experiment, row, time};

const DAY: Duration = IdempotencyKey::KEPT_FOR;

fn key(n: u8) -> IdempotencyKey {
    format!("key-{n}").parse().unwrap()
}

async fn hosted<C: CatalogInventory>(rows: C) -> Arc<dyn CatalogInventory> {
    let new = Experiment::new(experiment(), time(1));
    rows.create_experiment(&new).await.unwrap();
    Arc::new(rows)
}

async fn insert(rows: &dyn Catalog, n: u8, key_number: u8) -> bool {
    rows.insert_keyed(&row(n), None, None, &key(key_number))
        .await
        .unwrap()
}

async fn find(rows: &dyn Catalog, n: u8) -> Option<ArtifactId> {
    rows.find_keyed(&experiment(), &row(1).created_by, &key(n))
        .await
        .unwrap()
}

/// Checks what a key does whose time is over. `age` makes that so for all keys.
async fn old_keys_are_free(rows: &dyn CatalogInventory, age: impl Fn()) {
    for n in 1..=5 {
        assert!(insert(rows, n, n).await);
    }
    age();
    for n in 1..=5 {
        assert_eq!(find(rows, n).await, None);
    }
    assert!(insert(rows, 11, 1).await);
    assert!(!insert(rows, 12, 1).await);
    assert_eq!(find(rows, 1).await, Some(row(11).id));
    // The four others, in bounded steps.
    assert_eq!(rows.forget_keys(3).await.unwrap(), 3);
    assert_eq!(rows.forget_keys(3).await.unwrap(), 1);
    assert_eq!(rows.forget_keys(3).await.unwrap(), 0);
    assert_eq!(find(rows, 1).await, Some(row(11).id));
    for n in [1, 2, 3, 4, 5, 11] {
        assert_eq!(rows.get(row(n).id).await.unwrap(), Some(row(n)));
    }
    assert_eq!(rows.get(row(12).id).await.unwrap(), None);
}

#[tokio::test]
async fn memory_frees_keys_after_a_day() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let clock = Arc::new(ManualClock::new(start));
    let rows = hosted(MemoryDatabase::with_clock(clock.clone())).await;
    assert!(insert(&*rows, 0, 0).await);
    clock.advance(DAY.checked_sub(Duration::from_nanos(1)).unwrap());
    assert_eq!(find(&*rows, 0).await, Some(row(0).id));
    assert!(!insert(&*rows, 1, 0).await);
    assert_eq!(rows.forget_keys(9).await.unwrap(), 0);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(find(&*rows, 0).await, None);
    assert_eq!(rows.forget_keys(9).await.unwrap(), 1);
    old_keys_are_free(&*rows, || clock.advance(DAY)).await;
}

/// Inserts rows with the keys 0 to 39 from two processes at the same time, each in its own order. Each key has one row in the end.
async fn each_key_has_one_row(one: Arc<dyn CatalogInventory>, other: Arc<dyn CatalogInventory>) {
    let race = |rows: &Arc<dyn CatalogInventory>, base: u8, key_of: fn(u8) -> u8| {
        let rows = Arc::clone(rows);
        tokio::spawn(async move {
            let inserts = (0..40).map(|n| {
                let rows = Arc::clone(&rows);
                async move {
                    insert(&*rows, base + n, key_of(n))
                        .await
                        .then_some(base + n)
                }
            });
            join_all(inserts).await
        })
    };
    let (first, second) = (race(&one, 0, |n| n), race(&other, 100, |n| 39 - n));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    for n in 0..40 {
        let mine = first[usize::from(n)].map(|n| row(n).id);
        let theirs = second[usize::from(39 - n)].map(|n| row(n).id);
        assert!(
            mine.is_some() != theirs.is_some(),
            "{n}: {mine:?} {theirs:?}"
        );
        for rows in [&one, &other] {
            assert_eq!(find(&**rows, n).await, mine.or(theirs), "{n}");
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use artifact_store::SqliteDatabase;
    use rusqlite::Connection;

    use super::*;

    #[tokio::test]
    async fn sqlite_frees_keys_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.sqlite");
        let rows = hosted(SqliteDatabase::open(&path).await.unwrap()).await;
        let sql = Connection::open(&path).unwrap();
        let shift = |micros: i64| {
            let shift = "UPDATE idempotency_keys SET expires_at = expires_at - ?1";
            assert!(sql.execute(shift, [micros]).unwrap() > 0);
        };
        let day = i64::try_from(DAY.as_micros()).unwrap();
        let minute = 60_000_000;
        assert!(insert(&*rows, 0, 0).await);
        shift(day - minute);
        assert_eq!(find(&*rows, 0).await, Some(row(0).id));
        assert!(!insert(&*rows, 9, 0).await);
        shift(minute);
        assert_eq!(find(&*rows, 0).await, None);
        assert_eq!(rows.forget_keys(9).await.unwrap(), 1);
        old_keys_are_free(&*rows, || shift(day)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_processes_on_a_file_write_one_row_for_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.sqlite");
        let one = hosted(SqliteDatabase::open(&path).await.unwrap()).await;
        let other = Arc::new(SqliteDatabase::open(&path).await.unwrap());
        each_key_has_one_row(one, other).await;
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use artifact_postgres_test::Server;

    use super::super::postgres::open;
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres_frees_keys_after_a_day() {
        let Some(server) = Server::shared() else {
            return;
        };
        let database = server.database();
        let rows = hosted(open(&database).await).await;
        let shift = |micros: i64| {
            database.sql(&format!(
                "UPDATE artifact.idempotency_keys SET expires_at = expires_at - {micros}"
            ));
        };
        let day = i64::try_from(DAY.as_micros()).unwrap();
        let minute = 60_000_000;
        assert!(insert(&*rows, 0, 0).await);
        shift(day - minute);
        assert_eq!(find(&*rows, 0).await, Some(row(0).id));
        assert!(!insert(&*rows, 9, 0).await);
        shift(minute);
        assert_eq!(find(&*rows, 0).await, None);
        assert_eq!(rows.forget_keys(9).await.unwrap(), 1);
        old_keys_are_free(&*rows, || shift(day)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_processes_on_a_server_write_one_row_for_each_key() {
        let Some(server) = Server::shared() else {
            return;
        };
        for _ in 0..5 {
            let database = server.database();
            let one = hosted(open(&database).await).await;
            let other = Arc::new(open(&database).await);
            each_key_has_one_row(one, other).await;
        }
    }

    /// One statement cannot insert a key twice.
    #[tokio::test]
    async fn rows_with_the_same_key_come_in_different_statements() {
        use std::pin::pin;

        let Some(server) = Server::shared() else {
            return;
        };
        let rows = super::super::postgres::hosted(&server.database()).await;
        // All are sent before the task that writes gets a turn.
        let inserts = join_all((0..20).map(|n| insert(&rows, n, n / 2)));
        let mut inserts = pin!(tokio::task::unconstrained(inserts));
        assert!(crate::support::poll_once(inserts.as_mut()).is_pending());
        let inserted = inserts.await;
        for pair in inserted.chunks(2) {
            assert!(pair[0] != pair[1], "{inserted:?}");
        }
        assert_eq!(rows.statements(), 2);
    }

    #[tokio::test]
    async fn a_row_whose_reply_was_lost_is_found_with_its_key() {
        let Some(server) = Server::shared() else {
            return;
        };
        let database = server.database();
        let (rows, proxy) = super::super::postgres::lost::through_proxy(server, &database).await;
        // Prepares the statement, so that the next reply is that of the commit.
        assert!(insert(&rows, 1, 1).await);
        proxy.swallow_next_reply();
        assert!(insert(&rows, 2, 2).await);
        assert_eq!(proxy.swallowed(), 1);
        assert_eq!(find(&rows, 2).await, Some(row(2).id));
        assert!(!insert(&rows, 3, 2).await);
        assert_eq!(
            database.sql("SELECT count(*) FROM artifact.idempotency_keys"),
            "2"
        );
    }
}
