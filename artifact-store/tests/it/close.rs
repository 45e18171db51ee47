//! Closing a database.

use std::sync::Arc;

use artifact_store::{Database, ErrorKind, Experiment, MemoryDatabase, Result, Timestamp};

async fn create(database: &Database, id: &str) -> Result<Experiment> {
    let experiment = Experiment::new(id.parse().unwrap(), Timestamp::UNIX_EPOCH);
    database.catalog.create_experiment(&experiment).await
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_closed_database_has_its_rows_in_the_file_and_refuses_later_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let log = folder.path().join("rows.sqlite-wal");
    let mut database = Database::from_url(path.to_str().unwrap()).await.unwrap();
    create(&database, "first").await.unwrap();
    assert!(log.exists());

    // The database that was opened is closed, also if its catalog was replaced.
    let catalog = database.catalog.clone();
    database.catalog = Arc::new(MemoryDatabase::new());
    database.close().await.unwrap();
    assert!(!log.exists());
    database.catalog = catalog;
    let error = create(&database, "second").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = database.store_id.store_id().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    database.clone().close().await.unwrap();

    let again = Database::from_url(path.to_str().unwrap()).await.unwrap();
    let found = again.catalog.experiment(&"first".parse().unwrap()).await;
    assert!(found.unwrap().is_some());
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_database_in_memory_is_not_closed() {
    let database = Database::from_url("mem:").await.unwrap();
    database.close().await.unwrap();
    create(&database, "first").await.unwrap();
    database.close().await.unwrap();
}
