//! Behaviour that only PostgreSQL has.

use std::sync::Arc;

use artifact_postgres_test::Server;
use artifact_store::{
    Catalog, CredentialHash, Database, ErrorKind, Experiment, Group, GroupId, IdentityStore,
    IdentityStoreExt, PostgresDatabase, PrincipalId, Worker, WorkerId,
};
use futures_util::future::join_all;

use super::{cases, pages};
use crate::catalog::postgres::lost::through_proxy;
use crate::catalog::postgres::{hosted, open, url, wait_for_a_waiter};
use crate::support::{experiment, other_experiment, row, run_all, time};

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

/// Lets changes of rights return soon, because many in turn would take long.
pub(crate) fn with_brief_leases(database: &artifact_postgres_test::Database<'_>) {
    database.sql("UPDATE artifact.rights_lease SET lease_ms = 20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let Some(server) = Server::shared() else {
        return;
    };
    let all = cases::ALL.iter().chain(pages::ALL);
    let all = all.chain(super::administrators::ALL);
    run_all(
        all.chain(super::admin_token::ALL),
        |case| case.name,
        async |case| {
            let database = server.database();
            let rows = open(&database).await;
            with_brief_leases(&database);
            (case.run)(Database::new(rows)).await;
        },
    )
    .await;
}

#[tokio::test]
async fn writes_are_visible_to_other_processes_at_once() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let (one, two) = (hosted(&database).await, open(&database).await);
    with_brief_leases(&database);
    let worker = worker();
    one.register_worker(&worker, &credential("a"))
        .await
        .unwrap();
    let stored = two.credential(worker.id).await.unwrap().unwrap();
    assert_eq!(stored.hash, credential("a"));
    assert!(!stored.in_admins);
    two.replace_credential(&experiment(), worker.id, &credential("b"))
        .await
        .unwrap();
    let stored = one.credential(worker.id).await.unwrap().unwrap();
    assert_eq!(stored.hash, credential("b"));

    let admins = "admins".parse().unwrap();
    let admins = one.groups(&experiment(), Some(&admins)).await.unwrap();
    let inner = group().with_members([worker.id.into()]);
    one.create_group(&inner).await.unwrap();
    two.add_member(&experiment(), admins[0].id, inner.id.into())
        .await
        .unwrap();
    assert!(one.credential(worker.id).await.unwrap().unwrap().in_admins);
    two.delete_group(&experiment(), inner.id).await.unwrap();
    assert!(!one.credential(worker.id).await.unwrap().unwrap().in_admins);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_cannot_close_a_cycle_together() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let both = [
        Arc::new(hosted(&database).await),
        Arc::new(open(&database).await),
    ];
    with_brief_leases(&database);
    for round in 0..20 {
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
            .filter_map(|outcome| outcome.unwrap().err())
            .collect();
        assert_eq!(refused.len(), 1, "round {round}");
        assert_eq!(refused[0].kind(), ErrorKind::Cycle);
    }
}

/// Two writers would close a cycle together. The test holds one in the middle of its transaction and
/// checks that the other waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_changes_wait_for_each_other_and_rows_do_not() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Arc::new(hosted(&database).await);
    let other = Experiment::new(other_experiment(), time(1));
    rows.create_experiment(&other).await.unwrap();
    let (one, two) = (group(), group());
    rows.create_group(&one).await.unwrap();
    rows.create_group(&two).await.unwrap();
    let mut holder = database.psql();
    holder.run("BEGIN; SET search_path = artifact");
    holder.run("SELECT FROM experiments WHERE id = 'exp-1' FOR NO KEY UPDATE");
    holder.run(&format!(
        "INSERT INTO members VALUES ('{}', '{}', 'exp-1', 1)",
        one.id, two.id
    ));
    let waiting = {
        let (rows, group, member) = (Arc::clone(&rows), two.id, one.id);
        tokio::spawn(async move { rows.add_member(&experiment(), group, member.into()).await })
    };
    wait_for_a_waiter(&database);
    // Deposits into the experiment, and changes of groups of other experiments, do not wait.
    rows.insert(&row(1)).await.unwrap();
    let elsewhere = Group::new(
        GroupId::mint(),
        other_experiment(),
        time(5),
        PrincipalId::Admin,
    );
    rows.create_group(&elsewhere).await.unwrap();
    assert!(!waiting.is_finished());
    holder.run("COMMIT");
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cycle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_retried_unless_their_commit_got_no_reply() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (rows, proxy) = through_proxy(server, &server.database()).await;
    // From here on, the statement is prepared.
    rows.register_worker(&worker(), &credential("a"))
        .await
        .unwrap();
    // Loses the reply to BEGIN, then the reply to the statement.
    for others in 0..2 {
        let worker = worker();
        let before = proxy.swallowed();
        proxy.swallow_reply_after(others);
        rows.register_worker(&worker, &credential("a"))
            .await
            .unwrap();
        assert_eq!(proxy.swallowed(), before + 1);
        let found = rows.worker(&experiment(), worker.id).await.unwrap();
        assert_eq!(found, Some(worker));
        rows.register_worker(&self::worker(), &credential("a"))
            .await
            .unwrap();
    }
    let worker = worker();
    proxy.swallow_reply_to_commit();
    let error = rows
        .register_worker(&worker, &credential("a"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let found = rows.worker(&experiment(), worker.id).await.unwrap();
    assert_eq!(found, Some(worker));
}

#[tokio::test]
async fn experiments_of_an_older_schema_get_their_groups() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    database.sql("CREATE SCHEMA artifact");
    database.sql(&format!(
        "SET search_path = artifact;
         CREATE TABLE schema_version (
             program text    PRIMARY KEY CHECK (program = 'artifact-store'),
             version integer NOT NULL CHECK (version > 0)
         );
         INSERT INTO schema_version VALUES ('artifact-store', 1);
         {}
         INSERT INTO experiments VALUES ('exp-1', 1000000), ('exp-2', 2000000);
         INSERT INTO experiments SELECT 'more-' || n, 0 FROM generate_series(1, 200) AS n;",
        include_str!("../../../src/database/postgres/migrations/0001_rows.sql")
    ));
    // Two concurrent migrations both succeed.
    let url = url(&database);
    let (one, two) = tokio::join!(PostgresDatabase::open(&url), PostgresDatabase::open(&url));
    let (one, two) = (one.unwrap(), two.unwrap());
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
        }
        assert_eq!(one.groups(&id, None).await.unwrap().len(), 2);
    }
    assert_eq!(
        database.sql("SELECT count(DISTINCT id) FROM artifact.groups"),
        "404"
    );
    for at in 6..=30 {
        let sql = format!("SELECT count(DISTINCT substr(id, {at}, 1)) FROM artifact.groups");
        let found: u32 = database.sql(&sql).parse().unwrap();
        // 404 draws from 32 digits: the probability of fewer than 28 different ones is 10^-12.
        assert!(found >= 28, "digit {at} has {found} values");
    }
}

#[tokio::test]
async fn identities_edited_by_hand_are_corrupt() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    let worker = worker();
    rows.register_worker(&worker, &credential("a"))
        .await
        .unwrap();
    let group = group().with_members([worker.id.into()]);
    rows.create_group(&group).await.unwrap();
    database.sql("ALTER TABLE artifact.workers DROP CONSTRAINT workers_experiment_fkey");

    for broken in [
        "name = ' x'",
        "labels = '[]'",
        "registered_by = 'wkr_root'",
        "registered_at = 9223372036854775807",
    ] {
        database.sql(&format!("UPDATE artifact.workers SET {broken}"));
        let error = rows.worker(&experiment(), worker.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{broken}: {error}");
        // A list leaves it out.
        assert_eq!(rows.workers(&experiment(), None).await.unwrap(), []);
        database.sql(
            "UPDATE artifact.workers SET name = NULL, labels = NULL, registered_by = 'admin', \
             registered_at = 0",
        );
        rows.worker(&experiment(), worker.id).await.unwrap();
    }
    for broken in ["credential = 'canary'", "experiment = '..'"] {
        database.sql(&format!("UPDATE artifact.workers SET {broken}"));
        let error = rows.credential(worker.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{broken}: {error}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("canary"), "{said}");
        database
            .sql("UPDATE artifact.workers SET credential = '$argon2id$x', experiment = 'exp-1'");
        rows.credential(worker.id).await.unwrap().unwrap();
    }
    database.sql("UPDATE artifact.members SET member = repeat('x', 30)");
    let error = rows.group(&experiment(), group.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let listed = rows.groups(&experiment(), None).await.unwrap();
    assert_eq!(listed.len(), 2, "the founding groups: {listed:?}");
}
