//! Errors of the database, and the errors that a caller gets.

use artifact_postgres_test::Server;
use artifact_store::{Catalog, DatabaseUrl, ErrorKind, PostgresDatabase};
use futures_util::future::join_all;

use super::{hosted, url};
use crate::support::row;

/// An error code of the database, and its kind.
const KINDS: &[(&str, ErrorKind)] = &[
    ("53100", ErrorKind::OutOfSpace),
    ("53200", ErrorKind::Unavailable),
    ("53300", ErrorKind::Unavailable),
    ("40001", ErrorKind::Unavailable),
    ("40P01", ErrorKind::Unavailable),
    ("55P03", ErrorKind::Unavailable),
    ("57014", ErrorKind::Unavailable),
    ("57P01", ErrorKind::Unavailable),
    ("25006", ErrorKind::Unavailable),
    ("08006", ErrorKind::Unavailable),
    ("58030", ErrorKind::Unavailable),
    ("42501", ErrorKind::Misconfigured),
    ("28000", ErrorKind::Misconfigured),
    ("XX001", ErrorKind::Corrupt),
    ("XX000", ErrorKind::Unexpected),
    ("22012", ErrorKind::Unexpected),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_code_has_its_kind_and_leaves_no_row() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    for (code, kind) in KINDS {
        database.sql(&format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'so it is' USING ERRCODE = '{code}';
             END $$;
             CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON artifact.artifact_rows
                 FOR EACH ROW EXECUTE FUNCTION fail();"
        ));
        let error = rows.insert(&row(1)).await.unwrap_err();
        assert_eq!(error.kind(), *kind, "{code}: {error:?}");
        assert_eq!(error.id(), Some(row(1).id), "{code}");
        // The server's message is in the chain of sources, not in this layer.
        assert!(!error.to_string().contains("so it is"), "{error}");
        assert!(format!("{error:?}").contains("so it is"), "{error:?}");
        assert_eq!(rows.get(row(1).id).await.unwrap(), None);
    }
    database.sql("DROP TRIGGER fail ON artifact.artifact_rows");
    rows.insert(&row(1)).await.unwrap();
}

#[tokio::test]
async fn one_failing_row_does_not_affect_others() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    database.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.size = 7 THEN RAISE EXCEPTION 'seven'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER fail BEFORE INSERT ON artifact.artifact_rows
             FOR EACH ROW EXECUTE FUNCTION fail();",
    );
    let all: Vec<_> = (0..20).map(row).collect();
    let outcomes = join_all(all.iter().map(|row| rows.insert(row))).await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let there = rows.get(all[n].id).await.unwrap();
        if n == 7 {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unexpected);
            assert_eq!(there, None);
        } else {
            outcome.unwrap();
            assert_eq!(there.as_ref(), Some(&all[n]));
        }
    }
}

async fn refused(text: &str, password: Option<&str>) -> (ErrorKind, String) {
    let mut url = DatabaseUrl::parse(text).unwrap();
    if let Some(password) = password {
        url = url.with_password(password);
    }
    let error = PostgresDatabase::open(&url).await.unwrap_err();
    // No message in the chain contains the password.
    let all = format!("{url:?} {error} {error:?}");
    if let Some(password) = password {
        assert!(!all.contains(password), "{all}");
    }
    (error.kind(), format!("{error:?}"))
}

#[tokio::test]
async fn failed_opens_say_why() {
    use ErrorKind::{Misconfigured, Unavailable};
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let tcp = database.tcp_url();

    let (kind, said) = refused(&tcp, Some("canary-wrong")).await;
    assert_eq!(kind, Misconfigured, "{said}");
    let (kind, said) = refused(&tcp, None).await;
    assert_eq!(kind, Misconfigured, "{said}");
    assert!(said.contains("password"), "{said}");

    let absent = database.url().replace(database.name(), "absent");
    let (kind, said) = refused(&absent, None).await;
    assert_eq!(kind, Misconfigured, "{said}");
    let (kind, said) = refused(&database.url_as("no_such_role"), None).await;
    assert_eq!(kind, Misconfigured, "{said}");

    // No server listens there. Opening waits for a starting server, but only for a limited time.
    let (kind, said) = refused("postgres://u@127.0.0.1:1/db", None).await;
    assert_eq!(kind, Unavailable, "{said}");
    let (kind, said) = refused("postgres://u@/db?host=/nowhere", None).await;
    assert_eq!(kind, Unavailable, "{said}");

    let name = format!("{}_ascii", database.name());
    database.sql(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII'"
    ));
    let ascii = database.url().replace(database.name(), &name);
    let (kind, said) = refused(&ascii, None).await;
    assert_eq!(kind, Misconfigured);
    assert!(said.contains("UTF8"), "{said}");
}

#[tokio::test]
async fn read_only_databases_are_rejected_at_the_start_and_not_used_later() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    let name = database.name();
    let set = |value| {
        database.sql(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = {value}"
        ));
        database.terminate_sessions();
    };
    set("on");
    let error = PostgresDatabase::open(&url(&database)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("read-only"), "{error}");
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    // Not even for reading: a standby may lag behind.
    let error = rows.get(row(1).id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    database.sql(&format!(
        "BEGIN; SET TRANSACTION READ WRITE; \
         ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
    ));
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
}

#[tokio::test]
async fn tcp_connections_need_the_password() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    drop(hosted(&database).await);
    let url = DatabaseUrl::parse(&database.tcp_url()).unwrap();
    let url = url.with_password(server.password());
    let rows = PostgresDatabase::open(&url).await.unwrap();
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    let printed = format!("{rows:?} {url:?}");
    assert!(!printed.contains(server.password()), "{printed}");
}
