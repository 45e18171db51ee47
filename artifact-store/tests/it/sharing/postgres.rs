//! Behaviour that only PostgreSQL has.

use artifact_postgres_test::Server;
use artifact_store::{Database, ErrorKind};
use futures_util::future::join_all;

use super::site::{
    assert_kind, collection, collection_grant, find, grant, group, host, limited, link, link_by,
    may_read, publish, register, share, share_collection, subject,
};
use crate::catalog::postgres::{open, wait_for_a_waiter};
use crate::identity::postgres::with_brief_leases;
use crate::support::{experiment, row, run_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_contract() {
    let Some(server) = Server::shared() else {
        return;
    };
    run_all(
        super::all(),
        |case| case.name,
        async |case| {
            let database = server.database();
            let opened = open(&database).await;
            with_brief_leases(&database);
            (case.run)(Database::new(opened)).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_change_counts_at_once_in_another_process() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let one = Database::new(open(&database).await);
    let two = Database::new(open(&database).await);
    host(&one).await;
    let worker = register(&one).await;
    let above = group(&one, &[worker.into()]).await;
    assert!(!may_read(&two, 1, worker).await);
    let id = share(&one, 1, above).await;
    assert!(may_read(&two, 1, worker).await);
    one.sharing.delete_grant(&subject(1), id).await.unwrap();
    assert!(!may_read(&two, 1, worker).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_are_counted_across_processes() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let one = Database::new(open(&database).await);
    let two = Database::new(open(&database).await);
    host(&one).await;
    let five = limited(link(1), 5);
    publish(&one, &five).await;
    let both = [&one, &two].into_iter().cycle().take(20);
    let used = join_all(both.map(|database| database.sharing.use_link(five.artifact, five.id)));
    let succeeded = used.await.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(succeeded, 5);
}

/// A grant and a link wait for a removal that has begun, and are then refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_removal_and_a_share_one_wins() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Database::new(open(&database).await);
    host(&rows).await;
    let worker = register(&rows).await;
    let id = row(1).id;
    let mut session = database.psql();
    session.run("BEGIN");
    session.run(&format!(
        "SELECT artifact.remove_row('\\x{id}', false, false)"
    ));
    let sharing = rows.sharing.clone();
    let waiting = tokio::spawn(async move { sharing.insert_grant(&grant(1, worker)).await });
    wait_for_a_waiter(&database);
    session.run("COMMIT");
    assert_kind(waiting.await.unwrap(), ErrorKind::NotFound);
    assert_eq!(
        database.sql("SELECT count(*) FROM artifact.access_grants"),
        "0"
    );
}

/// A grant of a collection waits for a deletion that has begun, and is then refused. The deletion, also that of an older server,
/// takes the grants along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_deletion_and_a_grant_of_a_collection_one_wins() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Database::new(open(&database).await);
    host(&rows).await;
    let [worker, other] = [register(&rows).await, register(&rows).await];
    let id = collection(&rows).await;
    share_collection(&rows, id, worker).await;
    let mut session = database.psql();
    session.run("BEGIN");
    session.run("DELETE FROM artifact.collections");
    let sharing = rows.sharing.clone();
    let waiting = tokio::spawn(async move {
        let grant = collection_grant(id, other);
        sharing.insert_grant(&grant).await
    });
    wait_for_a_waiter(&database);
    session.run("COMMIT");
    assert_kind(waiting.await.unwrap(), ErrorKind::NotFound);
    assert_eq!(
        database.sql("SELECT count(*) FROM artifact.access_grants"),
        "0"
    );
}

/// A link of a worker whose token is being revoked is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_revocation_and_a_link_one_wins() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = server.database();
    let rows = Database::new(open(&database).await);
    with_brief_leases(&database);
    host(&rows).await;
    let maker = register(&rows).await;
    let mut own = row(7);
    own.created_by = maker.into();
    rows.catalog.insert(&own).await.unwrap();
    let before = publish(&rows, &link_by(7, maker.into())).await;
    let mut session = database.psql();
    session.run("BEGIN");
    session.run(&format!(
        "UPDATE artifact.workers SET credential = '$argon2id$revoked' WHERE id = '{maker}'"
    ));
    let sharing = rows.sharing.clone();
    let waiting = tokio::spawn(async move {
        let digest = artifact_store::LinkSecret::mint().digest();
        sharing
            .insert_link(&link_by(7, maker.into()), &digest)
            .await
    });
    wait_for_a_waiter(&database);
    session.run("COMMIT");
    assert_kind(waiting.await.unwrap(), ErrorKind::NotFound);
    assert_eq!(find(&rows, &before).await, None);
    rows.identities
        .delete_worker(&experiment(), maker)
        .await
        .unwrap();
}
