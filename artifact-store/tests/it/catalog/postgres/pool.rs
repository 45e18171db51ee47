//! A pool that the program has already.

use artifact_postgres_test::{Database, Server};
use artifact_store::deadpool_postgres::tokio_postgres::{Config, NoTls};
use artifact_store::deadpool_postgres::{self, Pool};
use artifact_store::{
    Catalog, ErrorKind, IdentityStore, PostgresDatabase, PostgresOptions, WorkerId,
};
use futures_util::future::{join, join_all};

use super::{host, wait_until};
use crate::support::row;

fn pool(database: &Database<'_>, server: &Server, max_size: usize) -> Pool {
    let mut config = Config::new();
    config
        .host_path(server.socket_folder())
        .port(server.port())
        .user("postgres")
        .application_name("program")
        .dbname(database.name());
    let manager = deadpool_postgres::Manager::new(config, NoTls);
    Pool::builder(manager).max_size(max_size).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_existing_pool_is_used_and_its_own_sessions_stay_unchanged() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let pool = pool(&database, server, 6);
    // The database gets this session first.
    drop(pool.get().await.unwrap());
    let options = PostgresOptions::default().with_max_connections(4);
    let rows = PostgresDatabase::from_pool(&pool, &options).await.unwrap();
    host(&rows).await;
    let all: Vec<_> = (0..20).map(row).collect();
    let inserts = join_all(all.iter().map(|row| rows.insert(row)));
    let lookups = join_all((0..20).map(|_| rows.credential(WorkerId::mint())));
    let (inserted, found) = join(inserts, lookups).await;
    for inserted in inserted {
        inserted.unwrap();
    }
    for found in found {
        assert!(found.unwrap().is_none());
    }
    for found in join_all(all.iter().map(|row| rows.get(row.id))).await {
        assert!(found.unwrap().is_some());
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'program'";
    assert_eq!(database.sql(sessions), "4");
    assert_eq!(pool.status().size, 4);

    // All that are left for the program.
    let (one, two) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    for client in [&one, &two] {
        let path = client.query_one("SHOW search_path", &[]).await.unwrap();
        assert_eq!(path.get::<_, &str>(0), "\"$user\", public");
    }
    rows.close().await;
    drop(rows);
    wait_until("the end of its sessions", || pool.status().size == 2);
    let others = join_all((0..4).map(|_| pool.get())).await;
    for other in others {
        let other = other.unwrap();
        let path = other.query_one("SHOW search_path", &[]).await.unwrap();
        assert_eq!(path.get::<_, &str>(0), "\"$user\", public");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_that_are_too_small_or_closed_are_refused() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let options = PostgresOptions::default();
    let small = pool(&database, server, 8);
    let error = PostgresDatabase::from_pool(&small, &options).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("raise max_size to 14"), "{error}");
    let few = options.clone().with_max_connections(3);
    let error = PostgresDatabase::from_pool(&small, &few).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("at least 4"), "{error}");
    let closed = pool(&database, server, 14);
    closed.close();
    let error = PostgresDatabase::from_pool(&closed, &options).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        format!("{error:?}").contains("closed its pool"),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_a_read_only_server_is_refused() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let name = database.name();
    database.sql(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ));
    let pool = pool(&database, server, 14);
    let error = PostgresDatabase::from_pool(&pool, &PostgresOptions::default()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.detail().contains("read-only"), "{error}");
}
