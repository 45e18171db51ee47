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

/// Maintenance in a process of its own closes the database while servers use it, and perhaps while a backup reads it.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_beside_a_long_read_of_another_process_does_not_hold_up_writers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let server = Database::from_url(path.to_str().unwrap()).await.unwrap();
    create(&server, "first").await.unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    let read = |sql| reader.query_row(sql, [], |row| row.get::<_, i64>(0));
    reader.execute_batch("BEGIN").unwrap();
    let experiments = "SELECT count(*) FROM experiments";
    assert_eq!(read(experiments).unwrap(), 1);
    create(&server, "second").await.unwrap();

    let maintenance = Database::from_url(path.to_str().unwrap()).await.unwrap();
    let began = tokio::time::Instant::now();
    let (closed, created) = tokio::join!(maintenance.close(), create(&server, "third"));
    // A writer gives up after five seconds.
    let seconds = began.elapsed().as_secs_f64();
    assert!(seconds < 4.0, "the close took {seconds} s");
    closed.unwrap();
    created.unwrap();
    assert_eq!(read(experiments).unwrap(), 1, "the reader has its snapshot");
    drop(reader);
    server.close().await.unwrap();
    assert!(!folder.path().join("rows.sqlite-wal").exists());
}

#[tokio::test]
async fn a_database_in_memory_is_not_closed() {
    let database = Database::from_url("mem:").await.unwrap();
    database.close().await.unwrap();
    create(&database, "first").await.unwrap();
    database.close().await.unwrap();
}
