//! Connections that are lost before, in and after what they were asked for, and a server that goes
//! away and comes back.

use std::sync::Arc;

use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_postgres_test::{Database, Server, Stop};
use artifact_store::{
    ArtifactStore, ByteRange, Catalog, DatabaseUrl, ErrorKind, Experiment, NewArtifact,
    PostgresDatabase, StoreConfig, authorize,
};
use futures_util::future::join_all;

use super::proxy::Proxy;
use super::{host, hosted, wait_for_a_waiter};
use crate::support::{experiment, other_experiment, row, time, worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_gone_before_is_made_anew() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(0)).await.unwrap();
    for n in 1..4 {
        // The one that reads and the one that writes.
        assert!(database.terminate_sessions() >= 2);
        rows.insert(&row(n)).await.unwrap();
        assert!(database.terminate_sessions() >= 1);
        assert_eq!(rows.get(row(n).id).await.unwrap(), Some(row(n)));
        rows.delete(row(n).id).await.unwrap();
        assert_eq!(rows.get(row(n).id).await.unwrap(), None);
        rows.insert(&row(n)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_lost_in_the_middle_of_an_insert_is_made_up_for() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Arc::new(hosted(&database).await);
    let mut holder = database.psql();
    holder.run("BEGIN; LOCK TABLE artifact.artifacts IN SHARE MODE");
    let inserts: Vec<_> = (0..20)
        .map(|n| {
            let rows = Arc::clone(&rows);
            tokio::spawn(async move { rows.insert(&row(n)).await })
        })
        .collect();
    wait_for_a_waiter(&database);
    assert!(database.terminate_sessions() >= 1);
    holder.run("COMMIT");
    for outcome in join_all(inserts).await {
        outcome.unwrap().unwrap();
    }
    let count = database.sql("SELECT count(*) FROM artifact.artifacts");
    assert_eq!(count, "20");
}

/// Rows by way of a wire that can be cut, and one row written, so that the statements are known
/// and the next answer is one of a commit.
pub(crate) async fn by_wire(server: &Server, database: &Database<'_>) -> (PostgresDatabase, Proxy) {
    let wire = Proxy::to(server.port()).await;
    let text = database
        .tcp_url()
        .replace(&server.port().to_string(), &wire.port().to_string());
    let url = DatabaseUrl::parse(&text)
        .unwrap()
        .with_password(server.password());
    let rows = PostgresDatabase::open(&url).await.unwrap();
    host(&rows).await;
    rows.insert(&row(0)).await.unwrap();
    (rows, wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_answer_is_lost_is_found_and_acknowledged() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (rows, wire) = by_wire(server, &server.database()).await;
    wire.swallow_the_next_answer();
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(wire.swallowed(), 1);
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    // The one that was not lost is not acknowledged twice.
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_whose_answer_is_lost_stays_one() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (rows, wire) = by_wire(server, &server.database()).await;
    let mut other = row(0);
    other.size += 1;
    wire.swallow_the_next_answer();
    let error = rows.insert(&other).await.unwrap_err();
    assert_eq!(wire.swallowed(), 1);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(rows.get(row(0).id).await.unwrap(), Some(row(0)));

    let mut homeless = row(2);
    homeless.experiment = other_experiment();
    wire.swallow_the_next_answer();
    let error = rows.insert(&homeless).await.unwrap_err();
    assert_eq!(wire.swallowed(), 2);
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// The second try is refused, and would be no row at all; of the first nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_may_be_written_is_never_said_not_to_be() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let (rows, wire) = by_wire(server, &database).await;
    database.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF EXISTS (SELECT FROM artifact.artifacts WHERE id = NEW.id) THEN
                 RAISE EXCEPTION 'full' USING ERRCODE = '53100';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER fail BEFORE INSERT ON artifact.artifacts
             FOR EACH ROW EXECUTE FUNCTION fail();",
    );
    wire.swallow_the_next_answer();
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(wire.swallowed(), 1);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_whose_answer_is_lost_is_made_again() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (rows, wire) = by_wire(server, &server.database()).await;
    for n in 1..4 {
        wire.swallow_the_next_answer();
        assert_eq!(rows.get(row(0).id).await.unwrap(), Some(row(0)));
        assert_eq!(wire.swallowed(), n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_unavailable_and_cached_rows_are_served() {
    let Some(server) = Server::start() else {
        return;
    };
    let database = server.database();
    let rows = Arc::new(hosted(&database).await);
    let backend = Arc::new(MemBackend::new(MemConfig::default()));
    let store = ArtifactStore::new(backend, rows.clone(), StoreConfig::default());
    let deposit = async |text: &'static str| {
        let new = NewArtifact::new(experiment(), &worker());
        let mut deposit = store.deposit(new);
        deposit.write(text.into()).await.unwrap();
        deposit.finish().await
    };
    let known = deposit("known").await.unwrap();
    let other = deposit("other").await.unwrap();
    assert_eq!(store.row(&experiment(), known.id).await.unwrap(), known);

    let found = store.experiment(&experiment()).await.unwrap();
    assert_eq!(found, Some(Experiment::new(experiment(), time(1))));
    assert_eq!(store.experiment(&other_experiment()).await.unwrap(), None);

    for (n, how) in [Stop::Fast, Stop::Immediate].into_iter().enumerate() {
        server.stop(how);
        let error = deposit("lost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.is_retryable());
        let error = rows.get(other.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        let error = PostgresDatabase::open(&super::url(&database))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");

        // One that was not there may be by now.
        let error = store.experiment(&other_experiment()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");

        assert_eq!(store.experiment(&experiment()).await.unwrap(), found);
        let row = store.row(&experiment(), known.id).await.unwrap();
        let grant = authorize(&worker(), row).unwrap();
        let read = store.read(&grant, ByteRange::Full).await.unwrap();
        assert_eq!(read.into_bytes().await.unwrap(), "known");

        server.resume();
        let again = deposit("again").await.unwrap();
        assert_eq!(rows.get(again.id).await.unwrap().as_ref(), Some(&*again));
        assert_eq!(rows.get(other.id).await.unwrap().as_ref(), Some(&*other));
        let count = database.sql("SELECT count(*) FROM artifact.artifacts");
        assert_eq!(count, (3 + n).to_string());
    }
}
