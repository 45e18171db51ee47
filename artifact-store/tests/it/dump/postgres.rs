//! Copies from and to PostgreSQL.

use artifact_postgres_test::Server;
use artifact_store::{Database, DumpRecord, ErrorKind, MemoryDatabase};

use super::{assert_round_trip, block_on, dump, for_contents, load, records};
use crate::catalog::postgres::open;

#[test]
fn postgres_returns_any_contents_that_were_written() {
    let Some(server) = Server::shared() else {
        return;
    };
    for_contents(5, |records| {
        block_on(async {
            let database = server.database();
            assert_round_trip(&Database::new(open(&database).await), &records).await;
            let again = Database::new(open(&database).await);
            assert_eq!(dump(&again).await.1, records);
        });
    });
}

#[tokio::test]
async fn a_copy_goes_from_any_database_to_any_other() {
    let Some(server) = Server::shared() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let hosts = [server.database(), server.database(), server.database()];
    let memory = || Database::new(MemoryDatabase::new());
    let sqlite = async |name| super::sqlite::open(&folder.path().join(name)).await;
    let postgres = async |host| Database::new(open(host).await);
    let chain = [
        memory(),
        sqlite("one").await,
        postgres(&hosts[0]).await,
        sqlite("two").await,
        memory(),
        postgres(&hosts[1]).await,
        postgres(&hosts[2]).await,
        memory(),
    ];
    let contents = records::small();
    load(&chain[0], None, &contents).await.unwrap();
    for pair in chain.windows(2) {
        let (id, records) = dump(&pair[0]).await;
        load(&pair[1], id, &records).await.unwrap();
        assert_eq!(dump(&pair[1]).await.1, contents);
    }
    for database in &chain {
        records::assert_small_is_in_force(database).await;
    }
}

#[tokio::test]
async fn postgres_reads_grants_before_and_without_their_collections() {
    let Some(server) = Server::shared() else {
        return;
    };
    let hosts = [server.database(), server.database()];
    let [one, other] = [open(&hosts[0]).await, open(&hosts[1]).await].map(Database::new);
    super::assert_older_order_is_read(&one).await;
    super::assert_grants_without_their_collection_are_left_out(&other).await;
}

#[tokio::test]
async fn a_load_into_postgres_is_all_or_nothing() {
    let Some(server) = Server::shared() else {
        return;
    };
    let host = server.database();
    let database = Database::new(open(&host).await);
    let mut dropped = database.portable().unwrap().begin_load().await.unwrap();
    dropped.write(records::small()).await.unwrap();
    assert_eq!(host.sql("SELECT count(*) FROM artifact.artifact_rows"), "0");
    drop(dropped);
    let twice = [records::small(), records::small()].concat();
    let refused = load(&database, None, &twice).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(dump(&database).await.1, Vec::<DumpRecord>::new());
    load(&database, None, &records::small()).await.unwrap();
    records::assert_small_is_in_force(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_is_of_one_moment_while_others_write() {
    let Some(server) = Server::shared() else {
        return;
    };
    let host = server.database();
    super::assert_snapshots_of_one_moment(&Database::new(open(&host).await)).await;
}

#[tokio::test]
async fn a_database_that_was_moved_refuses_writes_of_every_session() {
    let Some(server) = Server::shared() else {
        return;
    };
    let (old, new) = (server.database(), server.database());
    let (other, from) = (
        Database::new(open(&old).await),
        Database::new(open(&old).await),
    );
    super::moved::assert_moves(&from, &other, &Database::new(open(&new).await)).await;
}
