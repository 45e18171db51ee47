//! Connections that are lost before, during and after a request, and a server that stops and restarts.

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
async fn lost_idle_connections_are_replaced() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(0)).await.unwrap();
    for n in 1..4 {
        // The connection that reads and the one that writes.
        assert!(database.terminate_sessions() >= 2);
        rows.insert(&row(n)).await.unwrap();
        assert!(database.terminate_sessions() >= 1);
        assert_eq!(rows.get(row(n).id).await.unwrap(), Some(row(n)));
        rows.delete(row(n).id).await.unwrap();
        assert_eq!(rows.get(row(n).id).await.unwrap(), None);
        rows.insert(&row(n + 10)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_survive_a_connection_lost_in_the_middle() {
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

/// Opens the database through a proxy and inserts a row. The statements are then prepared, so the next
/// reply is that of a commit.
pub(crate) async fn through_proxy(
    server: &Server,
    database: &Database<'_>,
) -> (PostgresDatabase, Proxy) {
    let proxy = Proxy::to(server.port()).await;
    let text = database
        .tcp_url()
        .replace(&server.port().to_string(), &proxy.port().to_string());
    let url = DatabaseUrl::parse(&text)
        .unwrap()
        .with_password(server.password());
    let rows = PostgresDatabase::open(&url).await.unwrap();
    host(&rows).await;
    rows.insert(&row(0)).await.unwrap();
    (rows, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_with_a_lost_reply_are_looked_up_and_acknowledged() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (rows, proxy) = through_proxy(server, &server.database()).await;
    proxy.swallow_next_reply();
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(proxy.swallowed(), 1);
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    // A second insert of the row is not acknowledged.
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejections_with_a_lost_reply_stay_rejections() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (rows, proxy) = through_proxy(server, &server.database()).await;
    let mut other = row(0);
    other.size += 1;
    proxy.swallow_next_reply();
    let error = rows.insert(&other).await.unwrap_err();
    assert_eq!(proxy.swallowed(), 1);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(rows.get(row(0).id).await.unwrap(), Some(row(0)));

    let mut homeless = row(2);
    homeless.experiment = other_experiment();
    proxy.swallow_next_reply();
    let error = rows.insert(&homeless).await.unwrap_err();
    assert_eq!(proxy.swallowed(), 2);
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// The retry is rejected, but the first attempt may have inserted the row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn possibly_written_rows_are_unavailable_not_failed() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let (rows, proxy) = through_proxy(server, &database).await;
    database.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF EXISTS (SELECT FROM artifact.artifacts WHERE id = NEW.id) THEN
                 RAISE EXCEPTION 'full' USING ERRCODE = '53100';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER fail BEFORE INSERT ON artifact.artifact_rows
             FOR EACH ROW EXECUTE FUNCTION fail();",
    );
    proxy.swallow_next_reply();
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(proxy.swallowed(), 1);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_with_a_lost_reply_are_retried() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (rows, proxy) = through_proxy(server, &server.database()).await;
    for n in 1..4 {
        proxy.swallow_next_reply();
        assert_eq!(rows.get(row(0).id).await.unwrap(), Some(row(0)));
        assert_eq!(proxy.swallowed(), n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_servers_are_unavailable_and_cached_rows_are_served() {
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
        // Reads the quotas, unless a lease is still valid.
        deposit.write(text.into()).await?;
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

        // A missing experiment is not cached, because it may exist by now.
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
