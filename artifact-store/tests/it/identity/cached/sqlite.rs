//! The cache on a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_store::{
    AdministratorStore as _, Catalog as _, IdentityStore as _, IdentityStoreExt as _,
    SqliteDatabase, Worker,
};
use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::support::row;

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    (folder, path)
}

async fn open(path: &Path) -> Arc<SqliteDatabase> {
    Arc::new(SqliteDatabase::open(path).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_two_processes_count_at_once() {
    let (_folder, path) = file();
    let (one, two) = (open(&path).await, open(&path).await);
    host(&*one).await;
    changes_count_at_once(&*one, &*one).await;
    changes_count_at_once(&*one, &*two).await;
    changes_of_administrators_count_at_once(&*one, &*two).await;
    changes_of_the_admin_token_count_at_once(&*one, &*two).await;
    no_reader_is_behind(Arc::clone(&one), Arc::clone(&one), 50, || ()).await;
    no_reader_is_behind(one, two, 50, || ()).await;
}

/// Anything but this program, such as the shell of SQLite.
#[tokio::test]
async fn changes_of_administrators_by_other_programs_count_at_once() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    let (id, name) = (AdministratorId::mint(), "Alice".parse().unwrap());
    let administrator = Administrator::new(id, name, time(5), PrincipalId::Admin, hash(0));
    rows.register_administrator(&administrator).await.unwrap();
    let other = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE administrators SET credential = '$argon2id$7' WHERE id = ?1",
        "UPDATE administrators SET credential_expires_at = 9 WHERE id = ?1",
        "INSERT OR REPLACE INTO administrators \
         SELECT id, name, created_at, created_by, '$argon2id$8', NULL FROM administrators WHERE id = ?1",
        "DELETE FROM administrators WHERE id = ?1",
    ] {
        let before = rows.administrator_credential(id).await.unwrap().unwrap();
        assert_eq!(rows.cached_administrator_credential(id), Some(before));
        assert_eq!(other.execute(sql, [id.as_str()]).unwrap(), 1, "{sql}");
        assert_eq!(rows.cached_administrator_credential(id), None, "{sql}");
    }
}

#[tokio::test]
async fn older_versions_end_old_admin_tokens() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    let other = Connection::open(&path).unwrap();
    older_versions_end_all_admin_tokens_but_theirs(&*rows, || {
        let digest = format!("x'{}'", "09".repeat(32));
        let sql = replace_admin_token_as_older_versions("", &digest);
        assert_eq!(other.execute(&sql, []).unwrap(), 1);
    })
    .await;
}

/// Anything but this program, such as the shell of SQLite.
#[tokio::test]
async fn changes_by_other_programs_count_at_once() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    host(&*rows).await;
    let admins = admins(&*rows).await;
    let other = Connection::open(&path).unwrap();
    for keys in [true, false] {
        other.pragma_update(None, "foreign_keys", keys).unwrap();
        let id = register(&*rows).await;
        let inner = group([]);
        rows.create_group(&inner).await.unwrap();
        for (sql, expected) in [
            (
                "UPDATE workers SET credential = '$argon2id$7' WHERE id = ?1",
                Some((7, false)),
            ),
            (
                "INSERT OR REPLACE INTO workers SELECT id, experiment, name, labels, registered_at, \
                 registered_by, '$argon2id$8', NULL FROM workers WHERE id = ?1",
                Some((8, false)),
            ),
            (
                "INSERT INTO members VALUES (?3, ?1, 'exp-1', 1)",
                Some((8, false)),
            ),
            (
                "INSERT INTO members VALUES (?2, ?3, 'exp-1', 1)",
                Some((8, true)),
            ),
            (
                "UPDATE members SET experiment = 'exp-2' WHERE member = ?1",
                Some((8, false)),
            ),
            (
                "UPDATE members SET experiment = 'exp-1' WHERE member = ?1",
                Some((8, true)),
            ),
            (
                "UPDATE groups SET name = 'other' WHERE id = ?2",
                Some((8, false)),
            ),
            (
                "UPDATE groups SET name = 'admins' WHERE id = ?2",
                Some((8, true)),
            ),
            ("DELETE FROM members WHERE member = ?1", Some((8, false))),
            (
                "INSERT INTO members VALUES (?2, ?1, 'exp-1', 2)",
                Some((8, true)),
            ),
            ("DELETE FROM members WHERE member = ?1", Some((8, false))),
            ("DELETE FROM workers WHERE id = ?1", None),
        ] {
            warm(&*rows, id).await;
            // Not every statement has every parameter.
            let sql_of_all = format!("{sql} RETURNING ?1, ?2, ?3");
            let mut statement = other.prepare(&sql_of_all).unwrap();
            let params = [id.as_str(), admins.as_str(), inner.id.as_str()];
            let changed = statement.query_map(params, |_| Ok(())).unwrap().count();
            assert_eq!(changed, 1, "{sql}");
            let cached = rows.cached_credential(id);
            assert_eq!(cached, None, "{sql}");
            let read = rows.credential(id).await.unwrap();
            let read = read.map(|read| (number(&read), read.in_admins));
            assert_eq!(read, expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn groups_deleted_by_other_programs_count_at_once() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    host(&*rows).await;
    let admins = admins(&*rows).await;
    let id = register(&*rows).await;
    rows.add_member(&experiment(), admins, id.into())
        .await
        .unwrap();
    assert!(warm(&*rows, id).await.in_admins);
    let other = Connection::open(&path).unwrap();
    // The members stay.
    other.pragma_update(None, "foreign_keys", false).unwrap();
    other.execute("DELETE FROM groups", []).unwrap();
    assert_eq!(rows.cached_credential(id), None);
    assert!(!warm(&*rows, id).await.in_admins);
}

/// A copy of an older state must not have a version that is in use for a newer one.
#[tokio::test]
async fn a_restored_copy_counts_at_once() {
    let (folder, path) = file();
    let rows = open(&path).await;
    host(&*rows).await;
    let id = register(&*rows).await;
    let copy = folder.path().join("copy.sqlite");
    let other = Connection::open(&path).unwrap();
    other
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    other
        .execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()])
        .unwrap();
    let restore = "BEGIN;
        DELETE FROM workers;
        INSERT INTO workers SELECT * FROM copy.workers;
        UPDATE rights SET version = (SELECT version FROM copy.rights);
        COMMIT";
    for n in 1..=3 {
        let hash = hash(n);
        rows.replace_credential(&experiment(), id, &hash)
            .await
            .unwrap();
        assert_eq!(number(&warm(&*rows, id).await), n);
        other.execute_batch(restore).unwrap();
        assert_eq!(rows.cached_credential(id), None);
        assert_eq!(number(&warm(&*rows, id).await), 0);
    }
}

#[tokio::test]
async fn deposits_and_new_workers_leave_the_cache_valid() {
    let (_folder, path) = file();
    let (one, two) = (open(&path).await, open(&path).await);
    host(&*one).await;
    let id = register(&*one).await;
    warm(&*two, id).await;
    for n in 0..50 {
        one.insert(&row(n)).await.unwrap();
        register(&*one).await;
        two.cached_credential(id).unwrap();
    }
}

/// A descriptor of the shared memory that is closed would take all locks of this process with it
/// (fcntl(2)), and another process could then change what a query of this one reads.
#[cfg(target_os = "linux")]
#[expect(
    clippy::disallowed_methods,
    reason = "the locks are in a file of /proc"
)]
#[tokio::test]
async fn looks_at_the_shared_memory_release_no_lock_of_sqlite() {
    let (_folder, path) = file();
    let held = open(&path).await;
    host(&*held).await;
    let id = register(&*held).await;
    let locks = || {
        use std::os::unix::fs::MetadataExt as _;
        let shared = path.with_extension("sqlite-shm").metadata().unwrap();
        let (process, inode) = (std::process::id(), shared.ino());
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let own = locks.lines().filter(|lock| {
            let mut fields = lock.split_whitespace().skip(4);
            fields.next() == Some(&*process.to_string())
                && fields
                    .next()
                    .is_some_and(|file| file.ends_with(&format!(":{inode}")))
        });
        own.count()
    };
    warm(&*held, id).await;
    let before = locks();
    assert!(before > 0);
    for _ in 0..3 {
        let other = open(&path).await;
        warm(&*other, id).await;
        other.close().await.unwrap();
        drop(other);
        assert_eq!(locks(), before);
    }
    held.cached_credential(id).unwrap();
}

#[tokio::test]
async fn a_closed_database_has_no_cached_credentials() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    host(&*rows).await;
    let id = register(&*rows).await;
    warm(&*rows, id).await;
    rows.close().await.unwrap();
    assert_eq!(rows.cached_credential(id), None);
    // Every connection is closed: the last one removes the log.
    assert!(!path.with_extension("sqlite-wal").exists());
}

/// Lists take long, and there are more of them than connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_of_credentials_do_not_queue_behind_lists() {
    const LISTS: usize = 64;
    let (_folder, path) = file();
    let rows = open(&path).await;
    host(&*rows).await;
    let hash = hash(0);
    let workers: Vec<_> = (0..1_000)
        .map(|_| Worker::new(WorkerId::mint(), experiment(), time(5), PrincipalId::Admin))
        .collect();
    let all = workers
        .iter()
        .map(|worker| rows.register_worker(worker, &hash));
    for outcome in join_all(all).await {
        outcome.unwrap();
    }
    let done = Arc::new(AtomicUsize::new(0));
    let lists: Vec<_> = (0..LISTS)
        .map(|_| {
            let (rows, done) = (Arc::clone(&rows), Arc::clone(&done));
            tokio::spawn(async move {
                rows.workers(&experiment(), None).await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    // Each look-up waits for at most the lists that run, and not for those that wait.
    while done.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    rows.credential(workers[0].id).await.unwrap().unwrap();
    assert!(done.load(Ordering::SeqCst) < LISTS / 2);
    for list in lists {
        list.await.unwrap();
    }
}
