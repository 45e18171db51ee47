//! The contract of `StoreIdRecord`, on every database.

use artifact_store::{Database, Experiment, MemoryDatabase, StoreId};
use futures_util::future::join_all;

use crate::support::{experiment, row, time};

/// Checks the contract on an empty database.
async fn check(database: Database) {
    let record = &database.store_id;
    let [first, second, never] = [(); 3].map(|()| StoreId::mint());
    assert_eq!(record.store_id().await.unwrap(), None);

    for _ in 0..2 {
        record.propose_store_id(first).await.unwrap();
        record.propose_store_id(second).await.unwrap();
    }
    for (id, is_proposed) in [(first, true), (second, true), (never, false)] {
        let found = record.has_proposed_store_id(id).await.unwrap();
        assert_eq!(found, is_proposed);
    }
    assert_eq!(record.store_id().await.unwrap(), None, "only proposed");

    let confirmed = join_all([first, second].map(|id| record.confirm_store_id(id))).await;
    let winner = *confirmed[0].as_ref().unwrap();
    assert!([first, second].contains(&winner));
    assert_eq!(*confirmed[1].as_ref().unwrap(), winner);
    assert_eq!(record.confirm_store_id(never).await.unwrap(), winner);
    assert_eq!(record.store_id().await.unwrap(), Some(winner));

    record.replace_store_id(never).await.unwrap();
    assert_eq!(record.store_id().await.unwrap(), Some(never));
    assert_eq!(record.confirm_store_id(first).await.unwrap(), never);

    assert_eq!(record.some_rows().await.unwrap(), []);
    let new = Experiment::new(experiment(), time(1));
    database.catalog.create_experiment(&new).await.unwrap();
    for number in (1..=20).rev() {
        database.catalog.insert(&row(number)).await.unwrap();
    }
    let expected: Vec<_> = (1..=8).map(|number| row(number).id).collect();
    assert_eq!(record.some_rows().await.unwrap(), expected);
}

#[tokio::test]
async fn memory_keeps_the_store_id() {
    check(Database::new(MemoryDatabase::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_keeps_the_store_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let open = async || Database::from_url(path.to_str().unwrap()).await.unwrap();
    check(open().await).await;
    let found = open().await.store_id.store_id().await.unwrap();
    assert!(found.is_some(), "the store id outlives the process");
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_keeps_the_store_id() {
    let Some(server) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = server.database();
    let open = async || Database::from_url(&database.url()).await.unwrap();
    check(open().await).await;
    let found = open().await.store_id.store_id().await.unwrap();
    assert!(found.is_some(), "the store id outlives the process");
}
