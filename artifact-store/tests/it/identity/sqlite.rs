//! Behaviour that only SQLite has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_store::{
    Catalog, CredentialHash, Database, ErrorKind, Experiment, Group, GroupId, IdentityStore,
    PrincipalId, SqliteDatabase, Worker, WorkerId,
};
use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;

use super::cases;
use crate::support::{experiment, other_experiment, time};

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    (folder, path)
}

async fn open(path: &Path) -> SqliteDatabase {
    SqliteDatabase::open(path).await.unwrap()
}

fn credential(last: &str) -> CredentialHash {
    let phc = format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${last}");
    phc.parse().unwrap()
}

fn worker() -> Worker {
    Worker::new(WorkerId::mint(), experiment(), time(5), PrincipalId::Admin)
}

fn group() -> Group {
    Group::new(GroupId::mint(), experiment(), time(5), PrincipalId::Admin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    for case in cases::ALL {
        eprintln!("{}", case.name);
        let (_folder, path) = file();
        (case.run)(Database::new(open(&path).await)).await;
    }
}

#[tokio::test]
async fn identities_survive_a_close() {
    let (_folder, path) = file();
    let first = open(&path).await;
    let founded = Experiment::new(experiment(), time(1));
    first.create_experiment(&founded).await.unwrap();
    let worker = worker();
    first
        .register_worker(&worker, &credential("a"))
        .await
        .unwrap();
    let group = group().with_members([worker.id.into()]);
    first.create_group(&group).await.unwrap();
    let groups = first.groups(&experiment(), None).await.unwrap();
    first.close().await.unwrap();

    let second = open(&path).await;
    assert_eq!(second.groups(&experiment(), None).await.unwrap(), groups);
    assert_eq!(second.workers(&experiment(), None).await.unwrap(), [worker]);
}

#[tokio::test]
async fn writes_are_visible_to_other_processes_at_once() {
    let (_folder, path) = file();
    let (one, two) = (open(&path).await, open(&path).await);
    let founded = Experiment::new(experiment(), time(1));
    one.create_experiment(&founded).await.unwrap();
    let worker = worker();
    one.register_worker(&worker, &credential("a"))
        .await
        .unwrap();
    let stored = two.credential(worker.id).await.unwrap().unwrap();
    assert_eq!(stored.hash, credential("a"));
    two.replace_credential(&experiment(), worker.id, &credential("b"))
        .await
        .unwrap();
    let stored = one.credential(worker.id).await.unwrap().unwrap();
    assert_eq!(stored.hash, credential("b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_cannot_close_a_cycle_together() {
    let (_folder, path) = file();
    let both = [Arc::new(open(&path).await), Arc::new(open(&path).await)];
    let founded = Experiment::new(experiment(), time(1));
    both[0].create_experiment(&founded).await.unwrap();
    for round in 0..10 {
        let groups = [group(), group()];
        for group in &groups {
            both[0].create_group(group).await.unwrap();
        }
        let ids = [groups[0].id, groups[1].id];
        let adding = [0, 1].map(|n| {
            let rows = Arc::clone(&both[n]);
            let (group, member) = (ids[n], ids[1 - n]);
            tokio::spawn(async move { rows.add_member(&experiment(), group, member.into()).await })
        });
        let outcomes = join_all(adding).await;
        let refused: Vec<_> = outcomes
            .into_iter()
            .filter_map(|o| o.unwrap().err())
            .collect();
        assert_eq!(refused.len(), 1, "round {round}");
        assert_eq!(refused[0].kind(), ErrorKind::Cycle);
    }
}

#[tokio::test]
async fn concurrent_identity_writes_share_commits() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    let founded = Experiment::new(experiment(), time(1));
    rows.create_experiment(&founded).await.unwrap();
    let before = rows.transactions();
    let workers: Vec<_> = (0..64).map(|_| worker()).collect();
    let hash = credential("a");
    let all = workers
        .iter()
        .map(|worker| rows.register_worker(worker, &hash));
    for outcome in join_all(all).await {
        outcome.unwrap();
    }
    let commits = rows.transactions() - before;
    assert!(commits <= 8, "{commits} commits for 64 workers");
}

/// A file with the schema of the first version of this program.
fn first_version(path: &Path) -> Connection {
    let old = Connection::open(path).unwrap();
    old.execute_batch(include_str!(
        "../../../src/database/sqlite/migrations/0001_rows.sql"
    ))
    .unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x41727466; PRAGMA user_version = 1; \
         INSERT INTO experiments VALUES ('exp-1', 1000000), ('exp-2', 2000000);",
    )
    .unwrap();
    old
}

#[tokio::test]
async fn experiments_of_an_older_file_get_their_groups() {
    let (_folder, path) = file();
    drop(first_version(&path));
    // Two concurrent migrations both succeed.
    let (one, two) = tokio::join!(SqliteDatabase::open(&path), SqliteDatabase::open(&path));
    let (one, two) = (one.unwrap(), two.unwrap());
    let mut ids = Vec::new();
    for (id, at) in [(experiment(), 1), (other_experiment(), 2)] {
        let again = Experiment::new(id.clone(), time(9));
        two.create_experiment(&again).await.unwrap();
        for called in ["admins", "orchestrators"] {
            let name = called.parse().unwrap();
            let found = one.groups(&id, Some(&name)).await.unwrap();
            let [found] = &found[..] else {
                panic!("{called} of {id}: {found:?}");
            };
            let expected = Group::new(found.id, id.clone(), time(at), PrincipalId::Admin);
            assert_eq!(*found, expected.with_name(name));
            ids.push(found.id);
        }
        assert_eq!(one.groups(&id, None).await.unwrap().len(), 2);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn the_digits_of_migrated_ids_are_independent() {
    let (_folder, path) = file();
    let old = first_version(&path);
    for n in 0..200 {
        let sql = format!("INSERT INTO experiments VALUES ('more-{n}', 0)");
        old.execute_batch(&sql).unwrap();
    }
    drop(old);
    drop(open(&path).await);
    let new = Connection::open(&path).unwrap();
    for at in 6..=30 {
        let sql = format!("SELECT count(DISTINCT substr(id, {at}, 1)) FROM groups");
        let found: i64 = new.query_row(&sql, [], |row| row.get(0)).unwrap();
        // 404 draws from 32 digits: the probability of fewer than 28 different ones is 10^-12.
        assert!(found >= 28, "digit {at} has {found} values");
    }
}

#[tokio::test]
async fn identities_edited_by_hand_are_corrupt() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    let founded = Experiment::new(experiment(), time(1));
    rows.create_experiment(&founded).await.unwrap();
    let worker = worker();
    rows.register_worker(&worker, &credential("a"))
        .await
        .unwrap();
    let group = group().with_members([worker.id.into()]);
    rows.create_group(&group).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "foreign_keys", false).unwrap();
    let edit = |sql: &str| {
        other.execute_batch(sql).unwrap();
    };

    for broken in [
        "name = ' x'",
        "labels = '[]'",
        "registered_by = 'root'",
        "registered_at = 9223372036854775807",
    ] {
        edit(&format!("UPDATE workers SET {broken}"));
        let error = rows.worker(&experiment(), worker.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{broken}: {error}");
        let error = rows.workers(&experiment(), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{broken}: {error}");
        edit(
            "UPDATE workers SET name = NULL, labels = NULL, registered_by = 'admin', registered_at = 0",
        );
        rows.worker(&experiment(), worker.id).await.unwrap();
    }
    for broken in ["credential = 'canary'", "experiment = '..'"] {
        edit(&format!("UPDATE workers SET {broken}"));
        let error = rows.credential(worker.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{broken}: {error}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("canary"), "{said}");
        edit("UPDATE workers SET credential = '$argon2id$x', experiment = 'exp-1'");
        rows.credential(worker.id).await.unwrap().unwrap();
    }
    let sql = format!("UPDATE members SET member = '{}'", "x".repeat(30));
    edit(&sql);
    let error = rows.group(&experiment(), group.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}
