//! Servers on one SQLite file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    Catalog as _, CatalogInventory, ExperimentId, Principal, RowFilter, SqliteDatabase,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Server, Site, assert_gone_within_a_second, model};
use crate::support::{experiment, row};

async fn open(folder: &Path) -> Arc<SqliteDatabase> {
    let database = SqliteDatabase::open(folder.join("rows.sqlite")).await;
    Arc::new(database.unwrap())
}

async fn server(site: &Site, folder: &Path) -> Server {
    site.server(open(folder).await).await
}

#[tokio::test]
async fn a_removed_artifact_is_gone_in_every_server_on_the_file_within_a_second() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let one = server(&site, folder.path()).await;
    let other = server(&site, folder.path()).await;
    assert_gone_within_a_second(&one, &other).await;
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
#[tokio::test]
async fn the_mark_changes_with_each_commit_by_any_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(folder.path()).await, open(folder.path()).await);
    let before = other.commit_mark();
    assert!(before.is_some());
    assert_eq!(other.commit_mark(), before);
    assert_eq!(one.commit_mark(), before);
    let created = artifact_store::Experiment::new(experiment(), crate::support::time(1));
    one.create_experiment(&created).await.unwrap();
    let mut marks = vec![before, other.commit_mark()];
    one.insert(&row(1)).await.unwrap();
    marks.push(other.commit_mark());
    other.remove(row(1).id).await.unwrap();
    marks.push(one.commit_mark());
    for (index, mark) in marks.iter().enumerate() {
        assert!(!marks[..index].contains(mark), "{marks:?}");
    }
    // A read is no commit.
    other.get(row(1).id).await.unwrap();
    assert_eq!(one.commit_mark(), marks[3]);
    one.close().await.unwrap();
    assert_eq!(
        one.commit_mark(),
        None,
        "a poll then asks, and gets an error"
    );
    assert!(other.commit_mark().is_some());
}

#[tokio::test]
async fn the_state_outlives_the_servers() {
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let (admin, home): (_, ExperimentId) = (Principal::admin(), experiment());
    let (held, removed) = {
        let server = server(&site, folder.path()).await;
        let rows = (server.deposit().await, server.deposit().await);
        let managed = &server.managed;
        managed.place_hold(&admin, &home, rows.0.id).await.unwrap();
        let keep = Some(Duration::from_mins(1));
        managed.set_retention(&admin, &home, keep).await.unwrap();
        server.remove(&rows.1).await.unwrap();
        rows
    };
    let server = server(&site, folder.path()).await;
    let keep = server.managed.retention(&admin, &home).await.unwrap();
    assert_eq!(keep, Some(Duration::from_mins(1)));
    let info = server.managed.info(&server.grant(&held).await).await;
    assert_eq!(info.unwrap().hold.unwrap().placed_by, admin.id());
    super::assert_kind(server.remove(&held).await, artifact_store::ErrorKind::Held);
    assert!(!server.finds(&removed).await);
    let rows = server.all_rows(&admin, &RowFilter::default()).await;
    assert_eq!(rows, [held]);
    let again = server.catalog.insert(&removed).await;
    super::assert_kind(again, artifact_store::ErrorKind::AlreadyExists);
}

#[test]
fn a_store_on_sqlite_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let calls = prop::collection::vec(model::call(), 1..40);
    let mut runner = TestRunner::new(Config::with_cases(16));
    let tested = runner.run(&calls, |calls| {
        runtime.block_on(async {
            let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
            let server = server(&site, folder.path()).await;
            model::run(&site, &server, None, &calls).await;
        });
        Ok(())
    });
    tested.unwrap();
}
