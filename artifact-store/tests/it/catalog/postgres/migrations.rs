//! Migrations: concurrent, killed, and schemas of other programs.

use artifact_postgres_test::Server;
use artifact_store::{Catalog, ErrorKind, PostgresDatabase};
use futures_util::future::join_all;

use super::{host, hosted, open, url, wait_for_a_waiter};
use crate::support::row;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_opens_all_succeed() {
    let Some(server) = Server::shared() else {
        return;
    };
    for _ in 0..4 {
        let database = server.database();
        let openers = (0..8_u8).map(|n| {
            let url = url(&database);
            tokio::spawn(async move {
                let rows = PostgresDatabase::open(&url).await.unwrap();
                host(&rows).await;
                rows.insert(&row(n)).await.unwrap();
                rows
            })
        });
        for rows in join_all(openers).await {
            let rows = rows.unwrap();
            for n in 0..8 {
                assert_eq!(rows.get(row(n).id).await.unwrap(), Some(row(n)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_migrations_leave_nothing_behind() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    // The migration waits after its last table.
    database.sql(
        "CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF to_regclass('artifact.artifacts') IS NOT NULL THEN
                 PERFORM pg_advisory_xact_lock(5);
             END IF;
         END $$;
         CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
             EXECUTE FUNCTION wait();",
    );
    let mut holder = database.psql();
    holder.run("SELECT pg_advisory_lock(5)");
    let url = url(&database);
    let opening = tokio::spawn(async move { PostgresDatabase::open(&url).await });
    wait_for_a_waiter(&database);
    // The one that migrates, and one that found out whether there is a pooler.
    assert_eq!(database.terminate_sessions(), 2);
    let error = opening.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(database.sql("SELECT to_regnamespace('artifact')"), "");

    drop(holder);
    let rows = hosted(&database).await;
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
}

#[tokio::test]
async fn newer_schemas_are_rejected() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    drop(hosted(&database).await);
    let newest = database.sql("SELECT version FROM artifact.schema_version");
    database.sql("UPDATE artifact.schema_version SET version = 70");
    let error = PostgresDatabase::open(&url(&database)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("schema version 70"), "{error}");
    let known = format!("versions up to {newest}");
    assert!(error.detail().contains(&known), "{error}");
}

#[tokio::test]
async fn schemas_of_other_programs_are_rejected_unchanged() {
    let Some(server) = Server::shared() else {
        return;
    };
    for setup in [
        "CREATE TABLE artifact.theirs (a int)",
        "CREATE TABLE artifact.schema_version (version text)",
        "CREATE TABLE artifact.schema_version AS SELECT 'x' AS program, 1 AS version",
    ] {
        let database = server.database();
        database.sql("CREATE SCHEMA artifact");
        database.sql(setup);
        let tables = "SELECT string_agg(relname, ',') FROM pg_class \
                      WHERE relnamespace = 'artifact'::regnamespace AND relkind = 'r'";
        let before = database.sql(tables);
        let error = PostgresDatabase::open(&url(&database)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{setup}");
        assert!(error.detail().contains("another program"), "{error}");
        assert_eq!(database.sql(tables), before, "{setup}");
    }
}

#[tokio::test]
async fn existing_empty_schemas_are_used() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let name = database.name();
    database.sql(&format!(
        "CREATE ROLE plain_{name} LOGIN; CREATE SCHEMA artifact AUTHORIZATION plain_{name}"
    ));
    let user = format!("plain_{name}");
    let url = artifact_store::DatabaseUrl::parse(&database.url_as(&user)).unwrap();
    let rows = PostgresDatabase::open(&url).await.unwrap();
    host(&rows).await;
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    // Another user without any permission.
    database.sql(&format!("CREATE ROLE other_{name} LOGIN"));
    let other = database.url_as(&format!("other_{name}"));
    let url = artifact_store::DatabaseUrl::parse(&other).unwrap();
    let error = PostgresDatabase::open(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    drop(open(&database).await);
}
