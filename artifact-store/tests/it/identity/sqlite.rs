//! Behaviour that only SQLite has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_store::{
    Catalog, CredentialHash, Database, ErrorKind, Experiment, Group, GroupId, IdentityStore,
    IdentityStoreExt, ListPosition, PrincipalId, SqliteDatabase, Worker, WorkerId,
};
use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{cases, pages};
use crate::support::{experiment, other_experiment, run_all, time};

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
    let all = cases::ALL.iter().chain(pages::ALL);
    let all = all.chain(super::administrators::ALL);
    run_all(
        all.chain(super::admin_token::ALL),
        |case| case.name,
        async |case| {
            let (_folder, path) = file();
            (case.run)(Database::new(open(&path).await)).await;
        },
    )
    .await;
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
        "registered_by = 'wkr_root'",
        "registered_at = 9223372036854775807",
    ] {
        edit(&format!("UPDATE workers SET {broken}"));
        let error = rows.worker(&experiment(), worker.id).await.unwrap_err();
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

#[tokio::test]
async fn lists_leave_out_records_that_cannot_be_read() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    let founded = Experiment::new(experiment(), time(1));
    rows.create_experiment(&founded).await.unwrap();
    let mut workers: Vec<_> = (0..600).map(|_| worker()).collect();
    let hash = credential("a");
    let all = workers
        .iter()
        .map(|worker| rows.register_worker(worker, &hash));
    for outcome in join_all(all).await {
        outcome.unwrap();
    }
    workers.sort_by_key(|worker| worker.id);
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "foreign_keys", false).unwrap();
    let page = async |after: &ListPosition| {
        let page = rows.worker_page(&experiment(), None, after).await;
        page.unwrap()
    };

    // One broken record, at the beginning, in the middle and at the end of a page; and a whole page.
    let whole_page: Vec<_> = (0..256).collect();
    for broken in [&[0][..], &[100], &[255], &[256], &[599], &whole_page] {
        for edit in [
            "name = ' x'",
            "name = CAST(x'ff' AS TEXT)",
            "labels = '[]'",
            "labels = CAST(x'7bff7d' AS TEXT)",
            "registered_by = 'wkr_root'",
            "registered_by = CAST(x'6661ff' AS TEXT)",
            // The position of the record changes with it.
            "registered_at = -9223372036854775808",
            "registered_at = 9223372036854775807",
            "id = CAST(x'ff' || substr(id, 2) AS TEXT)",
            "id = 'x' || substr(id, 2)",
        ] {
            other.execute_batch("BEGIN").unwrap();
            for at in broken {
                let id = workers[*at].id;
                let sql = format!("UPDATE workers SET {edit} WHERE id = '{id}'");
                other.execute_batch(&sql).unwrap();
            }
            other.execute_batch("COMMIT").unwrap();
            let (mut found, mut unreadable, mut pages) = (Vec::new(), 0, 0);
            let mut next = Some(ListPosition::START);
            while let Some(after) = next {
                let page = page(&after).await;
                found.extend(page.records);
                unreadable += page.unreadable;
                next = page.next;
                pages += 1;
                assert!(pages < 9, "{edit}: the list does not end");
            }
            assert_eq!(unreadable, broken.len() as u64, "{edit}");
            let left = workers.iter().enumerate();
            let left = left.filter(|(at, _)| !broken.contains(at));
            let left: Vec<_> = left.map(|(_, worker)| worker.clone()).collect();
            assert!(found == left, "{edit}");
            assert!(rows.workers(&experiment(), None).await.unwrap() == left);
            other.execute_batch("BEGIN").unwrap();
            other
                .execute_batch(
                    "UPDATE workers SET name = NULL, labels = NULL, registered_by = 'admin', \
                     registered_at = 5000000",
                )
                .unwrap();
            for at in broken {
                let id = workers[*at].id;
                let sql = format!(
                    "UPDATE workers SET id = '{id}' WHERE substr(CAST(id AS BLOB), -29) = \
                     substr(CAST('{id}' AS BLOB), -29)"
                );
                if edit.starts_with("id") {
                    other.execute_batch(&sql).unwrap();
                }
            }
            other.execute_batch("COMMIT").unwrap();
        }
    }
}

#[tokio::test]
async fn lists_leave_out_groups_that_cannot_be_read() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    let founded = Experiment::new(experiment(), time(1));
    rows.create_experiment(&founded).await.unwrap();
    let groups = [group(), group(), group()];
    let mut groups = groups.map(|group| group.with_members([WorkerId::mint().into()]));
    groups.sort_by_key(|group| group.id);
    for group in &groups {
        rows.create_group(group).await.unwrap();
    }
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "foreign_keys", false).unwrap();
    let founding = rows.groups(&experiment(), None).await.unwrap()[..2].to_vec();
    for (edit, undo) in [
        (
            "UPDATE groups SET name = ' x'",
            "UPDATE groups SET name = NULL",
        ),
        (
            "UPDATE groups SET created_by = CAST(x'ff' AS TEXT)",
            "UPDATE groups SET created_by = 'admin'",
        ),
        (
            "UPDATE members SET member = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'",
            "SELECT 1",
        ),
    ] {
        let id = groups[1].id;
        let condition = if edit.contains("members") {
            format!(" WHERE group_id = '{id}'")
        } else {
            format!(" WHERE id = '{id}'")
        };
        other.execute_batch(&format!("{edit}{condition}")).unwrap();
        let found = rows.groups(&experiment(), None).await.unwrap();
        assert_eq!(found[..2], founding, "{edit}");
        assert_eq!(found[2..], [groups[0].clone(), groups[2].clone()], "{edit}");
        let error = rows.group(&experiment(), id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{edit}: {error}");
        if undo != "SELECT 1" {
            other.execute_batch(&format!("{undo}{condition}")).unwrap();
        }
    }
}

#[tokio::test]
async fn labels_that_an_earlier_version_stored_are_listed() {
    let (_folder, path) = file();
    let rows = open(&path).await;
    let founded = Experiment::new(experiment(), time(1));
    rows.create_experiment(&founded).await.unwrap();
    let worker = worker();
    let hash = credential("a");
    rows.register_worker(&worker, &hash).await.unwrap();
    let other = Connection::open(&path).unwrap();
    let large = format!("{{\"k\":\"{}\"}}", "x".repeat(1 << 20));
    other
        .execute("UPDATE workers SET labels = ?1", [&large])
        .unwrap();
    // The page ends after it, and the next one has the rest.
    let after = self::worker();
    rows.register_worker(&after, &hash).await.unwrap();
    let listed = rows.workers(&experiment(), None).await.unwrap();
    assert_eq!(listed.len(), 2);
    let labels = listed.iter().find_map(|worker| worker.labels.as_ref());
    assert_eq!(labels.unwrap().as_map()["k"].len(), 1 << 20);
    assert!(listed.contains(&after));
}

/// The plans of the statements that lists are made of: each reads an index in its order, from the position
/// on, and sorts at most the members of one group.
#[tokio::test]
async fn pages_do_not_read_the_whole_table() {
    let (_folder, path) = file();
    drop(open(&path).await);
    let other = Connection::open(&path).unwrap();
    let plan = |sql: &str| {
        let mut statement = other.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    };
    for (named, index) in [("", "in_order"), ("name = 'n' AND ", "by_name")] {
        let workers = plan(&format!(
            "SELECT id, name, labels FROM workers \
             WHERE experiment = 'e' AND {named}(registered_at, id) > (1, 'x') \
             ORDER BY registered_at, id LIMIT 9"
        ));
        assert!(workers.contains(&format!("workers_{index}")), "{workers}");
        assert!(
            !workers.contains("SCAN") && !workers.contains("TEMP"),
            "{workers}"
        );
        let groups = plan(&format!(
            "SELECT id, name, member FROM groups LEFT JOIN members ON members.group_id = groups.id \
             WHERE groups.experiment = 'e' AND {named}(created_at, id) > (1, 'x') \
             ORDER BY created_at, id, position LIMIT 9"
        ));
        assert!(groups.contains(&format!("groups_{index}")), "{groups}");
        assert!(groups.contains("members_in_order"), "{groups}");
        assert!(!groups.contains("SCAN"), "{groups}");
        assert!(!groups.contains("TEMP B-TREE FOR ORDER BY"), "{groups}");
    }
    let last = plan("SELECT coalesce(max(position), 0) FROM members WHERE group_id = 'g'");
    assert!(last.contains("members_in_order"), "{last}");
}
