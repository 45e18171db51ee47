//! Behaviour that only PostgreSQL has.

mod failures;
mod inventory;
pub(crate) mod lost;
mod migrations;
mod pool;
pub(crate) mod proxy;
mod sessions;
#[cfg(feature = "postgres-tls")]
mod tls;
mod upgrade;

use std::pin::pin;
use std::sync::Arc;

use artifact_postgres_test::{Database, Server};
use artifact_store::{Catalog, DatabaseUrl, ErrorKind, Experiment, PostgresDatabase, Row};
use futures_util::future::{join, join_all};

use super::{cases, maintenance};
use crate::support::{experiment, poll_once, row, run_all, time};

pub(crate) fn url(database: &Database<'_>) -> DatabaseUrl {
    DatabaseUrl::parse(&database.url()).unwrap()
}

pub(crate) async fn open(database: &Database<'_>) -> PostgresDatabase {
    PostgresDatabase::open(&url(database)).await.unwrap()
}

pub(crate) async fn hosted(database: &Database<'_>) -> PostgresDatabase {
    let rows = open(database).await;
    host(&rows).await;
    rows
}

pub(crate) async fn host(rows: &PostgresDatabase) {
    let new = Experiment::new(experiment(), time(1));
    assert_eq!(rows.create_experiment(&new).await.unwrap(), new);
}

/// Waits until a condition holds, and fails after 30 seconds.
#[track_caller]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let deadline = now() + 30;
    while !holds() {
        assert!(now() < deadline, "never came: {what}");
    }
}

/// Waits until a session waits for a lock.
#[track_caller]
pub(crate) fn wait_for_a_waiter(database: &Database<'_>) {
    let waiting = "SELECT count(*) > 0 FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("a session that waits", || database.sql(waiting) == "t");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let Some(server) = Server::shared() else {
        return;
    };
    run_all(
        cases::ALL,
        |case| case.name,
        async |case| {
            (case.run)(Arc::new(open(&server.database()).await)).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract_of_maintenance() {
    let Some(server) = Server::shared() else {
        return;
    };
    run_all(
        maintenance::ALL,
        |case| case.name,
        async |case| {
            (case.run)(Arc::new(open(&server.database()).await)).await;
        },
    )
    .await;
}

#[tokio::test]
async fn rows_survive_close_and_drop() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(1)).await.unwrap();
    drop(rows);

    let rows = open(&database).await;
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    rows.insert(&row(2)).await.unwrap();
    rows.close().await;

    let rows = open(&database).await;
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    assert_eq!(rows.get(row(2).id).await.unwrap(), Some(row(2)));
    let error = rows.insert(&row(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn two_connections_see_each_others_writes_at_once() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let (one, two) = (hosted(&database).await, open(&database).await);
    one.insert(&row(1)).await.unwrap();
    assert_eq!(two.get(row(1).id).await.unwrap(), Some(row(1)));
    let error = two.insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    two.delete(row(1).id).await.unwrap();
    assert_eq!(one.get(row(1).id).await.unwrap(), None);
}

/// An unsynced commit could be lost after it was acknowledged.
#[tokio::test]
async fn every_session_syncs_its_commits() {
    let Some(server) = Server::shared() else {
        return;
    };
    for (set, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let database = server.database();
        let name = database.name();
        database.sql(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = {set}"
        ));
        let rows = hosted(&database).await;
        // Records the setting of the session that inserts.
        database.sql(
            "CREATE TABLE seen (value text);
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO public.seen VALUES (current_setting('synchronous_commit'));
                 RETURN NEW;
             END $$;
             CREATE TRIGGER see BEFORE INSERT ON artifact.artifact_rows
                 FOR EACH ROW EXECUTE FUNCTION see();",
        );
        rows.insert(&row(1)).await.unwrap();
        assert_eq!(database.sql("SELECT * FROM seen"), expected, "{set}");
    }
}

#[tokio::test]
async fn rows_cannot_be_updated_by_hand() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(1)).await.unwrap();
    for edit in [
        "UPDATE artifact.artifacts SET size = 5",
        "UPDATE artifact.artifact_rows SET size = 5",
        "UPDATE artifact.artifact_rows SET seq = 7",
        "UPDATE artifact.artifact_rows SET expires_at = 7",
        "TRUNCATE artifact.artifact_rows",
    ] {
        let said = database.refused_sql(edit);
        assert!(said.contains("rows never change"), "{edit}: {said}");
    }
    let said = database.refused_sql("DELETE FROM artifact.artifact_rows");
    assert!(said.contains("tombstones"), "{said}");
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));

    // Neither can tombstones.
    rows.delete(row(1).id).await.unwrap();
    for edit in [
        "UPDATE artifact.artifact_rows SET removed_at = 7",
        "UPDATE artifact.artifact_rows SET id = decode(repeat('01', 16), 'hex')",
    ] {
        let said = database.refused_sql(edit);
        assert!(said.contains("rows never change"), "{edit}: {said}");
    }
}

#[tokio::test]
async fn rows_edited_by_hand_are_corrupt() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(1)).await.unwrap();
    database.sql(
        "DROP TRIGGER artifact_rows_never_change ON artifact.artifact_rows;
         ALTER TABLE artifact.artifact_rows DROP CONSTRAINT artifact_rows_check;",
    );
    let whole = "experiment = 'exp-1', created_by = 'admin', size = 1, content_type = 'a', \
                 file_name = NULL, sha256 = decode(repeat('01', 32), 'hex'), created_at = 0, \
                 expires_at = NULL";
    for edit in [
        "experiment = '..'",
        "created_by = 'wkr_root'",
        "size = -1",
        r"content_type = E'text/html\r\nx: y'",
        "file_name = '../x'",
        "sha256 = '\\x0102'",
        "created_at = 9223372036854775807",
        "expires_at = 9223372036854775807",
    ] {
        database.sql(&format!("UPDATE artifact.artifact_rows SET {edit}"));
        let error = rows.get(row(1).id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{edit}: {error}");
        assert_eq!(error.id(), Some(row(1).id));
        database.sql(&format!("UPDATE artifact.artifact_rows SET {whole}"));
        rows.get(row(1).id).await.unwrap();
    }
    database.sql(
        "DROP VIEW artifact.artifacts;
         ALTER TABLE artifact.artifact_rows ALTER COLUMN size TYPE text",
    );
    let error = rows.get(row(1).id).await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[tokio::test]
async fn concurrent_inserts_share_a_statement() {
    const WRITES: u8 = 200;
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    let all: Vec<Row> = (0..WRITES).map(row).collect();
    // All inserts are sent before the task that writes gets a turn. Unconstrained, because tokio's
    // budget would end the poll after some of them.
    let inserts = join_all(all.iter().map(|row| rows.insert(row)));
    let mut inserts = pin!(tokio::task::unconstrained(inserts));
    assert!(poll_once(inserts.as_mut()).is_pending());
    for outcome in inserts.await {
        outcome.unwrap();
    }
    assert_eq!(rows.statements(), 1);
    for row in &all {
        assert_eq!(rows.get(row.id).await.unwrap().as_ref(), Some(row));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_finishes_earlier_calls_and_rejects_later_ones() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    let (one, two) = (row(1), row(2));
    let (inserted, ()) = join(rows.insert(&one), rows.close()).await;
    inserted.unwrap();
    rows.close().await;

    for error in [
        rows.insert(&two).await.unwrap_err(),
        rows.delete(one.id).await.unwrap_err(),
        rows.get(one.id).await.unwrap_err(),
        rows.experiment(&experiment()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(error.detail(), "the database is closed");
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'artifact'";
    wait_until("the end of its sessions", || database.sql(sessions) == "0");
    let rows = open(&database).await;
    assert_eq!(rows.get(one.id).await.unwrap(), Some(one));
    assert_eq!(rows.get(two.id).await.unwrap(), None);
}
