//! SQLite files while the process can open no more files.
//!
//! The limit holds for the whole process, so each test starts itself again in a process of its own.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd as _;
use std::process::Command;

use artifact_store::{
    Catalog, ErrorKind, Experiment, IdentityStore, IdentityStoreExt, SqliteDatabase, StoreIdRecord,
};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::support::{experiment, other_experiment, row, time, worker_id};

/// Lets the process open `more` files. `None` removes the limit.
fn limit_files(more: Option<u64>) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = match more {
        Some(more) => Some(lowest_free() + more),
        None => limit.maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Returns the lowest descriptor that is free. All that are open are below it.
fn lowest_free() -> u64 {
    let opened = OpenOptions::new().read(true).open("/dev/null").unwrap();
    opened.as_raw_fd().try_into().unwrap()
}

/// Returns whether this is the process of one test. Otherwise runs the test in one.
fn is_child(name: &str) -> bool {
    const CHILD: &str = "ARTIFACT_TEST_CHILD";
    if std::env::vars_os().any(|(variable, _)| variable == CHILD) {
        return true;
    }
    let done = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{output}{errors}");
    assert!(output.contains("1 passed"), "{output}{errors}");
    false
}

#[tokio::test]
async fn queries_without_a_descriptor_are_unavailable() {
    if !is_child("catalog::descriptors::queries_without_a_descriptor_are_unavailable") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    super::lost::open(&path).await.close().await.unwrap();
    // A query opens the file first, then its log.
    for more in 0..2 {
        // No query was made, so no connection is open for one.
        let rows = SqliteDatabase::open(&path).await.unwrap();
        limit_files(Some(more));
        let errors = [
            rows.get(row(1).id).await.unwrap_err(),
            rows.experiment(&experiment()).await.unwrap_err(),
            rows.experiments().await.unwrap_err(),
            rows.credential(worker_id()).await.unwrap_err(),
            rows.workers(&experiment(), None).await.unwrap_err(),
            rows.groups(&experiment(), None).await.unwrap_err(),
            rows.store_id().await.unwrap_err(),
        ];
        // The writer needs no further descriptor.
        let written = rows.insert(&row(2 + u8::try_from(more).unwrap())).await;
        limit_files(None);
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{more}: {error:?}");
            assert!(error.detail().contains("ulimit -n"), "{error:?}");
        }
        written.unwrap();
        assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
        rows.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_is_not_opened_without_descriptors() {
    if !is_child("catalog::descriptors::a_database_is_not_opened_without_descriptors") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.sqlite");
    super::lost::open(&old).await.close().await.unwrap();
    // The first query of a process may load what the later ones share.
    let mut refused = [0, 0];
    for more in 0..16 {
        let new = folder.path().join(format!("new-{more}.sqlite"));
        for (path, refused) in [&old, &new].into_iter().zip(&mut refused) {
            limit_files(Some(more));
            let opened = SqliteDatabase::open(path).await;
            limit_files(None);
            match opened {
                Ok(rows) => rows.close().await.unwrap(),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{more}: {error:?}");
                    *refused += 1;
                }
            }
            // Once there are descriptors again, it is opened.
            let rows = SqliteDatabase::open(path).await.unwrap();
            let founded = Experiment::new(other_experiment(), time(1));
            rows.create_experiment(&founded).await.unwrap();
            rows.close().await.unwrap();
        }
    }
    // The file, its log and its shared memory.
    assert!(refused.iter().all(|refused| (3..16).contains(refused)));
}

#[tokio::test]
async fn a_missing_folder_is_still_misconfigured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/rows.sqlite");
    let error = SqliteDatabase::open(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
}
