//! SQLite files that are removed, renamed or replaced while they are open.

#![expect(clippy::disallowed_methods, reason = "a test changes its own files")]

use std::fs::{copy, create_dir, create_dir_all, remove_file, rename, write};
use std::path::{Path, PathBuf};

use artifact_store::{
    Catalog, CredentialHash, ErrorKind, Experiment, Group, GroupId, IdentityStore, PrincipalId,
    SqliteDatabase, Worker, WorkerId,
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{experiment, other_experiment, row, time};

const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A database in a folder of its own.
struct World {
    root: TempDir,
    path: PathBuf,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("db");
        create_dir(&folder).unwrap();
        let path = folder.join("rows.sqlite");
        Self { root, path }
    }

    fn file(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.path.display()))
    }

    fn elsewhere(&self, suffix: &str) -> PathBuf {
        self.root.path().join(format!("elsewhere{suffix}"))
    }

    /// Moves a copy of a file over it.
    fn replace(&self, suffix: &str) {
        copy(self.file(suffix), self.elsewhere(suffix)).unwrap();
        rename(self.elsewhere(suffix), self.file(suffix)).unwrap();
    }

    fn rename(&self, suffix: &str) {
        rename(self.file(suffix), self.elsewhere(suffix)).unwrap();
    }

    fn remove(&self, suffix: &str) {
        remove_file(self.file(suffix)).unwrap();
    }

    async fn open(&self) -> SqliteDatabase {
        open(&self.path).await
    }
}

/// Opens the database, which has one experiment and one row.
pub(super) async fn open(path: &Path) -> SqliteDatabase {
    let rows = SqliteDatabase::open(path).await.unwrap();
    rows.create_experiment(&Experiment::new(experiment(), time(1)))
        .await
        .unwrap();
    rows.insert(&row(1)).await.unwrap();
    rows
}

type Loss = (&'static str, fn(&World));

const LOSSES: [Loss; 17] = [
    ("all files removed", |world| {
        for suffix in SUFFIXES {
            world.remove(suffix);
        }
    }),
    ("file removed", |world| world.remove("")),
    ("log removed", |world| world.remove("-wal")),
    ("shared memory removed", |world| world.remove("-shm")),
    ("all files renamed", |world| {
        for suffix in SUFFIXES {
            world.rename(suffix);
        }
    }),
    ("file renamed", |world| world.rename("")),
    ("log renamed", |world| world.rename("-wal")),
    ("shared memory renamed", |world| world.rename("-shm")),
    ("all files replaced", |world| {
        for suffix in SUFFIXES {
            world.replace(suffix);
        }
    }),
    ("file replaced", |world| world.replace("")),
    ("log replaced", |world| world.replace("-wal")),
    ("shared memory replaced", |world| world.replace("-shm")),
    ("file emptied", |world| write(&world.path, b"").unwrap()),
    ("file replaced by a folder", |world| {
        world.remove("");
        create_dir(&world.path).unwrap();
    }),
    ("folder renamed", |world| {
        rename(world.path.parent().unwrap(), world.elsewhere("")).unwrap();
    }),
    ("folder replaced by a copy", |world| {
        let folder = world.path.parent().unwrap();
        rename(folder, world.elsewhere("")).unwrap();
        create_dir_all(folder).unwrap();
        for suffix in SUFFIXES {
            let old = world.elsewhere(&format!("/rows.sqlite{suffix}"));
            copy(old, world.file(suffix)).unwrap();
        }
    }),
    ("folder replaced by a file", |world| {
        let folder = world.path.parent().unwrap();
        rename(folder, world.elsewhere("")).unwrap();
        write(folder, b"").unwrap();
    }),
];

fn credential() -> CredentialHash {
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$a".parse().unwrap()
}

fn worker() -> Worker {
    Worker::new(WorkerId::mint(), experiment(), time(5), PrincipalId::Admin)
}

fn group() -> Group {
    Group::new(GroupId::mint(), experiment(), time(5), PrincipalId::Admin)
}

#[tokio::test]
async fn a_database_whose_files_are_lost_acknowledges_no_row() {
    for (name, lose) in LOSSES {
        let world = World::new();
        let rows = world.open().await;
        lose(&world);
        for n in 2..4 {
            let error = rows.insert(&row(n)).await.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error:?}");
        }
        let error = rows.delete(row(1).id).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error:?}");
        // The files that are open still have the row.
        assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)), "{name}");
        let error = rows.close().await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_database_whose_files_are_lost_acknowledges_no_identity() {
    let (worker, group) = (worker(), group());
    for (name, lose) in LOSSES {
        let world = World::new();
        let rows = world.open().await;
        rows.register_worker(&worker, &credential()).await.unwrap();
        rows.create_group(&group).await.unwrap();
        lose(&world);
        let (founded, hash) = (Experiment::new(other_experiment(), time(1)), credential());
        let (exp, new) = (experiment(), self::worker());
        let outcomes = [
            rows.register_worker(&new, &hash).await,
            rows.replace_credential(&exp, worker.id, &hash).await,
            rows.create_group(&self::group()).await,
            rows.add_member(&exp, group.id, worker.id.into()).await,
            rows.remove_member(&exp, group.id, worker.id.into()).await,
            rows.delete_group(&exp, group.id).await,
            rows.create_experiment(&founded).await.map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn files_that_come_back_are_still_lost() {
    let world = World::new();
    let rows = world.open().await;
    world.rename("");
    rows.insert(&row(2)).await.unwrap_err();
    rename(world.elsewhere(""), &world.path).unwrap();
    let error = rows.insert(&row(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    drop(rows);

    let rows = SqliteDatabase::open(&world.path).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    assert_eq!(rows.get(row(2).id).await.unwrap(), None);
    rows.insert(&row(3)).await.unwrap();
}

#[tokio::test]
async fn a_restored_database_is_not_changed_by_the_server_that_lost_it() {
    let world = World::new();
    world.open().await.close().await.unwrap();
    copy(&world.path, world.elsewhere("")).unwrap();
    let rows = SqliteDatabase::open(&world.path).await.unwrap();
    rows.insert(&row(2)).await.unwrap();
    // The operator restores the older copy, and removes the log of the newer file.
    rename(world.elsewhere(""), &world.path).unwrap();
    world.remove("-wal");
    world.remove("-shm");
    let restored = SqliteDatabase::open(&world.path).await.unwrap();
    restored.insert(&row(3)).await.unwrap();
    rows.insert(&row(4)).await.unwrap_err();
    rows.close().await.unwrap_err();
    drop(rows);
    assert!(world.file("-wal").exists() && world.file("-shm").exists());

    for (n, expected) in [(1, Some(row(1))), (2, None), (3, Some(row(3))), (4, None)] {
        assert_eq!(restored.get(row(n).id).await.unwrap(), expected, "{n}");
    }
    restored.insert(&row(5)).await.unwrap();
    restored.close().await.unwrap();
}

#[tokio::test]
async fn no_row_of_another_database_is_returned() {
    for (name, lose) in LOSSES {
        let world = World::new();
        world.open().await.close().await.unwrap();
        // No query before the loss, so there is no open connection for one.
        let rows = SqliteDatabase::open(&world.path).await.unwrap();
        lose(&world);
        for _ in 0..2 {
            let error = rows.get(row(1).id).await.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_changed_symlink_to_the_database_is_noticed() {
    let world = World::new();
    write(&world.path, b"").unwrap();
    let [link, new] = ["link.sqlite", "new"].map(|name| world.root.path().join(name));
    std::os::unix::fs::symlink(&world.path, &link).unwrap();
    let rows = open(&link).await;
    let other = world.elsewhere("");
    drop(open(&other).await);
    std::os::unix::fs::symlink(&other, &new).unwrap();
    rename(&new, &link).unwrap();
    let error = rows.insert(&row(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn checkpoints_and_other_processes_keep_the_files() {
    let world = World::new();
    let rows = world.open().await;
    let other = Connection::open(&world.path).unwrap();
    for n in 2..5 {
        rows.insert(&row(n)).await.unwrap();
        other
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        other.execute_batch("VACUUM").unwrap();
    }
    drop(other);
    rows.insert(&row(5)).await.unwrap();
    rows.close().await.unwrap();
}

#[tokio::test]
async fn a_second_server_on_the_same_file_may_come_and_go() {
    let world = World::new();
    let rows = world.open().await;
    for n in 2..5 {
        let second = SqliteDatabase::open(&world.path).await.unwrap();
        second.insert(&row(n)).await.unwrap();
        rows.insert(&row(n + 10)).await.unwrap();
        if n == 3 {
            second.close().await.unwrap();
        }
    }
    rows.insert(&row(5)).await.unwrap();
    rows.close().await.unwrap();
}

#[tokio::test]
async fn a_dropped_database_leaves_one_file() {
    let world = World::new();
    let rows = world.open().await;
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    drop(rows);
    assert!(world.path.exists());
    assert!(!world.file("-wal").exists() && !world.file("-shm").exists());
}
