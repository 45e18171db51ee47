//! The cache on a PostgreSQL database: leases.

use std::sync::Arc;

use artifact_postgres_test::{Database, Server};
use artifact_store::{Catalog as _, ErrorKind, IdentityStore as _, PostgresDatabase};
use futures_util::future::join_all;

use super::*;
use crate::catalog::postgres::lost::through_proxy;
use crate::catalog::postgres::{open, wait_for_a_waiter};
use crate::identity::postgres::with_brief_leases;
use crate::support::row;

async fn two_on(database: &Database<'_>) -> [Arc<PostgresDatabase>; 2] {
    let one = open(database).await;
    host(&one).await;
    [Arc::new(one), Arc::new(open(database).await)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_two_servers_count_at_once() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, two] = two_on(&database).await;
    with_brief_leases(&database);
    changes_count_at_once(&*one, &*one).await;
    changes_count_at_once(&*one, &*two).await;
    changes_of_administrators_count_at_once(&*one, &*two).await;
    changes_of_the_admin_token_count_at_once(&*one, &*two).await;
    no_reader_is_behind(Arc::clone(&one), Arc::clone(&two), 30, || ()).await;
    // Every connection is lost after each change.
    let terminate = || {
        database.terminate_sessions();
    };
    no_reader_is_behind(one, two, 5, terminate).await;
}

/// With the lease of a new database. The other server looks up nothing meanwhile, so it cannot notice
/// the change.
#[tokio::test]
async fn changes_are_acknowledged_after_every_lease() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, two] = two_on(&database).await;
    assert_eq!(database.sql("SELECT lease_ms FROM artifact.rights"), "1000");
    let id = register(&*one).await;
    let admins = admins(&*one).await;
    let member = id.into();
    one.add_member(&experiment(), admins, member).await.unwrap();
    assert!(warm(&*two, id).await.in_admins);
    one.remove_member(&experiment(), admins, member)
        .await
        .unwrap();
    assert_eq!(two.cached_credential(id), None);

    // A second call finds nothing to do, but the first one may have got no answer.
    assert!(!warm(&*two, id).await.in_admins);
    one.remove_member(&experiment(), admins, member)
        .await
        .unwrap();
    assert_eq!(two.cached_credential(id), None);
    warm(&*two, id).await;
    let absent = one.delete_group(&experiment(), GroupId::mint()).await;
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(two.cached_credential(id), None);
}

/// A server whose database hangs, as one that was cut off from it, ends its leases itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_database_ends_its_lease() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, _] = two_on(&database).await;
    with_brief_leases(&database);
    let id = register(&*one).await;
    warm(&*one, id).await;
    let mut holder = database.psql();
    holder.run("BEGIN; LOCK TABLE artifact.rights IN ACCESS EXCLUSIVE MODE");
    let waiting = {
        let one = Arc::clone(&one);
        tokio::spawn(async move { one.credential(id).await })
    };
    wait_for_a_waiter(&database);
    while one.cached_credential(id).is_some() {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    holder.run("COMMIT");
    waiting.await.unwrap().unwrap().unwrap();
    warm(&*one, id).await;
}

#[tokio::test]
async fn a_lease_serves_a_thousand_requests_without_a_query() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let (rows, proxy) = through_proxy(server, &database).await;
    let ids = [register(&rows).await, register(&rows).await];
    // Both look-ups prepare their statements.
    warm(&rows, ids[0]).await;
    warm(&rows, ids[1]).await;
    let before = proxy.requests();
    let mut hits = 0;
    while hits < 1_000 {
        // The connections are served on this thread too.
        tokio::task::yield_now().await;
        for id in ids {
            hits += usize::from(rows.cached_credential(id).is_some());
        }
    }
    // The lease is renewed after half a second.
    let queries = proxy.requests() - before;
    assert!(queries <= 2, "{queries} queries");
}

/// An idle server has no lease. One query renews it for all workers, because no right has changed.
#[tokio::test]
async fn one_look_up_renews_the_lease_for_all_workers() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, _] = two_on(&database).await;
    with_brief_leases(&database);
    let ids = [register(&*one).await, register(&*one).await];
    warm(&*one, ids[0]).await;
    warm(&*one, ids[1]).await;
    // The lease is longer from here on, so that it does not end within the test.
    database.sql("UPDATE artifact.rights_lease SET lease_ms = 1000");
    while one.cached_credential(ids[0]).is_some() {}
    one.credential(ids[0]).await.unwrap().unwrap();
    one.cached_credential(ids[1]).unwrap();
}

#[tokio::test]
async fn a_lease_of_zero_turns_the_cache_off() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, _] = two_on(&database).await;
    database.sql("UPDATE artifact.rights_lease SET lease_ms = 0");
    let id = register(&*one).await;
    for _ in 0..2 {
        one.credential(id).await.unwrap().unwrap();
        assert_eq!(one.cached_credential(id), None);
    }
    let said = database.refused_sql("UPDATE artifact.rights_lease SET lease_ms = 1001");
    assert!(said.contains("lease_ms"), "{said}");
}

/// The triggers make other programs and older versions of this one keep the rule too.
#[tokio::test]
async fn every_change_of_a_right_has_a_new_version() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, _] = two_on(&database).await;
    let id = register(&*one).await;
    let inner = group([]);
    one.create_group(&inner).await.unwrap();
    let version = || database.sql("SELECT version FROM artifact.rights");
    database.sql(
        "INSERT INTO artifact.administrators VALUES (repeat('a', 30), 'A', 1, 'admin', 'x', NULL)",
    );
    database.sql(
        "INSERT INTO artifact.admin_token VALUES (true, decode(repeat('00', 32), 'hex'), 'x', 1)",
    );
    let mut seen = vec![version()];
    for sql in [
        "UPDATE artifact.workers SET credential = '$argon2id$7'".to_owned(),
        format!(
            "INSERT INTO artifact.members VALUES ('{}', '{id}', 'exp-1', 1)",
            inner.id
        ),
        "UPDATE artifact.members SET experiment = 'exp-2'".to_owned(),
        "UPDATE artifact.groups SET name = 'other' WHERE name = 'admins'".to_owned(),
        "DELETE FROM artifact.members".to_owned(),
        "DELETE FROM artifact.groups WHERE name IS NULL".to_owned(),
        "DELETE FROM artifact.workers".to_owned(),
        "UPDATE artifact.admin_token SET old_digest = digest, old_valid_until = 7".to_owned(),
        "UPDATE artifact.admin_token SET old_valid_until = 8".to_owned(),
        "UPDATE artifact.admin_token SET digest = decode(repeat('01', 32), 'hex')".to_owned(),
        "DELETE FROM artifact.admin_token".to_owned(),
        "UPDATE artifact.administrators SET credential = '$argon2id$7'".to_owned(),
        "UPDATE artifact.administrators SET credential_expires_at = 7".to_owned(),
        "DELETE FROM artifact.administrators".to_owned(),
        "TRUNCATE artifact.administrators".to_owned(),
        // Together with the grants and links, whose foreign keys refuse it otherwise.
        "TRUNCATE artifact.workers, artifact.access_grants, artifact.access_links".to_owned(),
        "TRUNCATE artifact.groups, artifact.members, artifact.access_grants".to_owned(),
    ] {
        database.sql(&sql);
        let now = version();
        assert!(!seen.contains(&now), "{sql}");
        seen.push(now);
    }
    one.insert(&row(1)).await.unwrap();
    register(&*one).await;
    one.create_group(&group([])).await.unwrap();
    database.sql("UPDATE artifact.workers SET name = 'x'");
    let administrator =
        "INSERT INTO artifact.administrators VALUES (repeat('a', 30), 'A', 1, 'admin', 'x', NULL)";
    database.sql(administrator);
    database.sql("UPDATE artifact.administrators SET name = 'B'");
    assert_eq!(seen.last(), Some(&version()));
}

/// All connections for other queries wait for a lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_of_credentials_do_not_queue_behind_other_queries() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, _] = two_on(&database).await;
    let id = register(&*one).await;
    let mut holder = database.psql();
    holder.run("BEGIN; LOCK TABLE artifact.artifacts IN ACCESS EXCLUSIVE MODE");
    let reads: Vec<_> = (0..20)
        .map(|_| {
            let one = Arc::clone(&one);
            tokio::spawn(async move { one.get(row(1).id).await })
        })
        .collect();
    let waiting = "SELECT count(*) = 8 FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    crate::catalog::postgres::wait_until("eight sessions that wait", || {
        database.sql(waiting) == "t"
    });
    assert_eq!(number(&warm(&*one, id).await), 0);
    holder.run("COMMIT");
    for read in join_all(reads).await {
        assert_eq!(read.unwrap().unwrap(), None);
    }
}

#[tokio::test]
async fn older_versions_end_old_admin_tokens() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let [one, _] = two_on(&database).await;
    older_versions_end_all_admin_tokens_but_theirs(&*one, || {
        let digest = "decode(repeat('09', 32), 'hex')";
        let sql = replace_admin_token_as_older_versions("artifact.", digest);
        database.sql(&sql);
    })
    .await;
}
