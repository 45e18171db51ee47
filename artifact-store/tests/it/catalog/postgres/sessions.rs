//! Which sessions are used, and what is left of those that do not answer.

use std::process::Command;
use std::time::Duration;

use artifact_postgres_test::{Database, Pooler, Server, Stop};
use artifact_store::{Catalog, DatabaseUrl, ErrorKind, Experiment, PostgresDatabase};
use futures_util::future::{join, join_all};

use tokio::time::timeout;

use super::{host, hosted, url, wait_until};
use crate::support::{other_experiment, row, time};

/// Each pooled transaction may get another session, without the settings and prepared statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poolers_in_transaction_mode_are_refused_and_in_session_mode_work() {
    let Some(server) = Server::shared() else {
        return;
    };
    for (mode, settings) in [
        ("transaction", ""),
        ("transaction", "server_round_robin = 1"),
        ("transaction", "min_pool_size = 3"),
        ("transaction", "min_pool_size = 3\nserver_round_robin = 1"),
        ("transaction", "default_pool_size = 1"),
        ("statement", ""),
    ] {
        let database = server.database();
        let Some(pooler) = Pooler::start(server, mode, settings) else {
            return;
        };
        let url = DatabaseUrl::parse(&pooler.url(&database)).unwrap();
        let error = PostgresDatabase::open(&url).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Misconfigured,
            "{mode} {settings}: {error:?}"
        );
        assert!(
            error.detail().contains("pool_mode = session"),
            "{mode} {settings}: {error}"
        );
        // Nothing was created.
        let schema = database.sql("SELECT to_regnamespace('artifact')");
        assert_eq!(schema, "", "{mode} {settings}");
    }
    let database = server.database();
    let pooler = Pooler::start(server, "session", "").expect("it was started before");
    let url = DatabaseUrl::parse(&pooler.url(&database)).unwrap();
    let rows = PostgresDatabase::open(&url).await.unwrap();
    host(&rows).await;
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
}

/// Rows of 7 bytes weaken the session that writes them. The triggers fail every other commit that does
/// not wait for its sync.
const WEAKEN_SESSIONS: &str = "\
    CREATE FUNCTION weaken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('synchronous_commit', 'off', false);
        RETURN NULL;
    END $$;
    CREATE TRIGGER weaken_insert AFTER INSERT ON artifact.artifact_rows
        FOR EACH ROW WHEN (NEW.size = 7) EXECUTE FUNCTION weaken();
    CREATE TRIGGER weaken_delete AFTER UPDATE ON artifact.artifact_rows
        FOR EACH ROW WHEN (OLD.size = 7) EXECUTE FUNCTION weaken();
    CREATE FUNCTION synced() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('synchronous_commit') <> 'on' THEN
            RAISE EXCEPTION 'not synced' USING ERRCODE = 'P0001';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER synced_insert AFTER INSERT ON artifact.artifact_rows DEFERRABLE
        INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.size <> 7) EXECUTE FUNCTION synced();
    CREATE CONSTRAINT TRIGGER synced_delete AFTER UPDATE ON artifact.artifact_rows DEFERRABLE
        INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.size <> 7) EXECUTE FUNCTION synced();
    CREATE CONSTRAINT TRIGGER synced_experiment AFTER INSERT ON artifact.experiments DEFERRABLE
        INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION synced();";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_synced_whatever_happens_to_the_settings_of_the_session() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    database.sql(WEAKEN_SESSIONS);
    // Sessions of the pool are used in turn.
    for n in 0..4 {
        let mut weakening = row(100 + n);
        weakening.size = 7;
        rows.insert(&weakening).await.unwrap();
        rows.delete(weakening.id).await.unwrap();
    }
    for n in 1..4 {
        rows.insert(&row(n)).await.unwrap();
        rows.delete(row(n).id).await.unwrap();
    }
    let other = Experiment::new(other_experiment(), time(1));
    rows.create_experiment(&other).await.unwrap();
    let name = database.name();
    database.sql(&format!(
        "ALTER DATABASE {name} SET synchronous_commit = off"
    ));
    database.terminate_sessions();
    rows.insert(&row(4)).await.unwrap();
    rows.delete(row(4).id).await.unwrap();
}

/// Returns how many sessions wait for a standby.
fn waits_for_a_standby(database: &Database<'_>) -> String {
    database.sql(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event = 'SyncRep'",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_commits_are_cancelled_and_not_acknowledged() {
    let Some(server) = Server::start() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(0)).await.unwrap();
    let set = |names: &str| {
        database.sql(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{names}'"
        ));
        database.sql("SELECT pg_reload_conf()");
        wait_until("the setting", || {
            database.sql("SHOW synchronous_standby_names") == names
        });
    };
    set("absent");
    let deletes = async {
        // The second round comes after the statements of the first were given up.
        for _ in 0..2 {
            for deleted in join_all((0..12).map(|_| rows.delete(row(0).id))).await {
                assert_eq!(deleted.unwrap_err().kind(), ErrorKind::Unavailable);
            }
        }
    };
    let inserts = async {
        let first = rows.insert(&row(1)).await;
        // The first attempt left a visible row whose commit no standby has.
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Unavailable);
        let second = rows.insert(&row(1)).await;
        assert!(second.is_err(), "it was acknowledged without its standby");
    };
    let mut most = 0;
    let mut stalled = std::pin::pin!(join(inserts, deletes));
    while timeout(Duration::from_millis(100), &mut stalled)
        .await
        .is_err()
    {
        most = most.max(sessions(&database));
    }
    // Nine that are used, and eight that end.
    assert!((9..=17).contains(&most), "{most}");
    wait_until("no session that waits", || {
        waits_for_a_standby(&database) == "0"
    });
    set("");
    rows.insert(&row(3)).await.unwrap();
    assert_eq!(rows.get(row(3).id).await.unwrap(), Some(row(3)));
    assert!(sessions(&database) <= 9);
}

fn sessions(database: &Database<'_>) -> u32 {
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'artifact'";
    database.sql(sessions).parse().unwrap()
}

/// The session that inserts is stopped, so that it does not even see a cancel request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_hangs_is_replaced() {
    let Some(server) = Server::start() else {
        return;
    };
    let database = server.database();
    let rows = hosted(&database).await;
    rows.insert(&row(0)).await.unwrap();
    let pid = database.sql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
         AND query LIKE '%INSERT INTO artifact_rows%' AND application_name = 'artifact'",
    );
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    rows.insert(&row(2)).await.unwrap();
    signal("-CONT");
    wait_until("the stopped session ends", || {
        database.sql(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"
        )) == "0"
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_hosts_are_passed_over_at_every_connect() {
    let (Some(one), Some(two)) = (Server::start(), Server::start()) else {
        return;
    };
    let (first, second) = (one.database(), two.database());
    let read_only = |database: &Database<'_>, value: &str| {
        let name = database.name();
        database.sql(&format!(
            "BEGIN; SET TRANSACTION READ WRITE; \
             ALTER DATABASE {name} SET default_transaction_read_only = {value}; COMMIT"
        ));
    };
    let text = format!(
        "postgres://postgres@{},{}/{}",
        one.socket_host(),
        two.socket_host(),
        first.name()
    );
    drop(hosted(&second).await);
    read_only(&first, "on");
    let rows = PostgresDatabase::open(&DatabaseUrl::parse(&text).unwrap())
        .await
        .unwrap();
    rows.insert(&row(1)).await.unwrap();
    let count = "SELECT count(*) FROM artifact.artifacts";
    assert_eq!(second.sql(count), "1");
    // A fail-over: the second becomes a standby, and its sessions end.
    drop(hosted_writable(&first).await);
    read_only(&second, "on");
    read_only(&first, "off");
    second.terminate_sessions();
    rows.insert(&row(2)).await.unwrap();
    assert_eq!(first.sql(count), "1");
    // A host that has stopped is passed over too.
    one.stop(Stop::Fast);
    read_only(&second, "off");
    rows.insert(&row(3)).await.unwrap();
    assert_eq!(second.sql(count), "2");
}

/// Creates the schema in a database that rejects writes by default.
async fn hosted_writable(database: &Database<'_>) -> PostgresDatabase {
    let name = database.name();
    database.sql(&format!(
        "BEGIN; SET TRANSACTION READ WRITE; \
         ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
    ));
    let rows = PostgresDatabase::open(&url(database)).await.unwrap();
    host(&rows).await;
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_used_only_after_its_promotion() {
    let Some(primary) = Server::start() else {
        return;
    };
    let on_primary = primary.database();
    let standby = primary.standby();
    let text = format!(
        "postgres://postgres@{},{}/{}",
        standby.socket_host(),
        primary.socket_host(),
        on_primary.name()
    );
    let url = DatabaseUrl::parse(&text).unwrap();
    let rows = PostgresDatabase::open(&url).await.unwrap();
    host(&rows).await;
    rows.insert(&row(1)).await.unwrap();
    let count = "SELECT count(*) FROM artifact.artifacts";
    assert_eq!(on_primary.sql(count), "1");
    let on_standby = standby.same_database(&on_primary);
    // A query for the rows fails as long as the table has not come.
    let exists = "SELECT to_regclass('artifact.artifacts') IS NOT NULL";
    wait_until("the table on the standby", || on_standby.sql(exists) == "t");
    wait_until("the row on the standby", || on_standby.sql(count) == "1");

    primary.stop(Stop::Fast);
    // The standby answers queries, but a credential that it returns may be revoked by now.
    let error = rows.get(row(1).id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let error = PostgresDatabase::open(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");

    standby.promote();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    rows.insert(&row(2)).await.unwrap();
    assert_eq!(on_standby.sql(count), "2");
}

/// The operating system accepts the connection for a server that hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_hang_leave_time_for_the_next() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "postgres://postgres@127.0.0.1:{},{}/{}",
        silent.local_addr().unwrap().port(),
        server.socket_host(),
        database.name()
    );
    let rows = PostgresDatabase::open(&DatabaseUrl::parse(&text).unwrap())
        .await
        .unwrap();
    host(&rows).await;
    rows.insert(&row(1)).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
}
