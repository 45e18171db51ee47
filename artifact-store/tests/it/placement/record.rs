//! The contract of `PlacementRecord`, and the fence of the catalog, on every database.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::SystemClock;
use artifact_store::{
    Database, Deadline, ErrorKind, Experiment, FormerBackend, ImportId, MemoryDatabase, Placement,
    RowPosition, StagedRow,
};

use crate::support::{experiment, row, time};

fn under(epoch: u64) -> Deadline {
    Deadline::after(Duration::from_mins(1), Arc::new(SystemClock)).for_placement(epoch)
}

fn placement(epoch: u64, fence: u64) -> Placement {
    let mut placement = Placement::new("file:///new");
    placement.epoch = epoch;
    placement.fence = fence;
    placement.previous = Some("s3://old/prefix".into());
    placement
}

/// A placement is kept as it was written, and replaced only by who knows its epoch.
async fn is_replaced_by_epoch(database: &Database) {
    let record = &database.placement;
    assert_eq!(record.placement().await.unwrap(), None);
    let error = record.set_reached(0, RowPosition::START).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let first = placement(1, 0);
    let error = record.replace_placement(1, &first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    record.replace_placement(0, &first).await.unwrap();
    // A repeated call, as after a lost reply.
    record.replace_placement(0, &first).await.unwrap();
    assert_eq!(record.placement().await.unwrap().unwrap(), first);

    let reached = RowPosition::from_number(77);
    record.set_reached(1, reached).await.unwrap();
    let error = record.set_reached(2, reached).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(record.placement().await.unwrap().unwrap().reached, reached);

    let mut second = placement(2, 1);
    second.previous = None;
    second.former = vec![
        FormerBackend::new("file:///first", false),
        FormerBackend::new("s3://old/prefix", true),
    ];
    record.replace_placement(1, &second).await.unwrap();
    assert_eq!(record.placement().await.unwrap().unwrap(), second);
    let error = record.replace_placement(1, &first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(record.placement().await.unwrap().unwrap(), second);
}

/// A row below the fence is refused, whether it comes alone or with others.
async fn rows_below_the_fence_are_refused(database: &Database) {
    let catalog = &database.catalog;
    let new = Experiment::new(experiment(), time(1));
    catalog.create_experiment(&new).await.unwrap();
    catalog.insert(&row(1)).await.unwrap();
    catalog
        .insert_with(&row(2), None, Some(&under(0)))
        .await
        .unwrap();

    let record = &database.placement;
    record.replace_placement(0, &placement(1, 0)).await.unwrap();
    catalog
        .insert_with(&row(3), None, Some(&under(0)))
        .await
        .unwrap();
    catalog
        .insert_with(&row(4), None, Some(&under(1)))
        .await
        .unwrap();

    record.replace_placement(1, &placement(1, 1)).await.unwrap();
    for refused in [
        catalog.insert(&row(5)).await,
        catalog.insert_with(&row(5), None, Some(&under(0))).await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.detail().contains("moved to another one"), "{error}");
    }
    assert_eq!(catalog.get(row(5).id).await.unwrap(), None);
    let key = "k".parse().unwrap();
    for (epoch, n) in [(0, 5), (1, 12)] {
        let deadline = under(epoch);
        let inserted = catalog
            .insert_keyed(&row(n), None, Some(&deadline), &key)
            .await
            .map_err(|error| error.kind());
        let is_accepted = epoch == 1;
        assert_eq!(
            inserted,
            is_accepted.then_some(true).ok_or(ErrorKind::Unavailable)
        );
        assert_eq!(
            catalog
                .find_keyed(&experiment(), &row(n).created_by, &key)
                .await
                .unwrap(),
            is_accepted.then_some(row(n).id)
        );
    }
    let (low, same, high) = (under(0), under(1), under(2));
    let (rows, missing) = ([row(6), row(7), row(8)], row(9).id);
    let (low, same, high) = tokio::join!(
        catalog.insert_with(&rows[0], None, Some(&low)),
        catalog.insert_with(&rows[1], None, Some(&same)),
        catalog.insert_with(&rows[2], None, Some(&high)),
    );
    assert_eq!(low.unwrap_err().kind(), ErrorKind::Unavailable);
    same.unwrap();
    high.unwrap();
    let ids = [rows[0].id, rows[1].id, rows[2].id, row(4).id, missing];
    let absent = database.inventory.missing(&ids).await.unwrap();
    assert_eq!(absent, [rows[0].id, missing]);
    // Tombstones have no epoch.
    assert_eq!(
        database.inventory.condemn(&[missing]).await.unwrap(),
        [missing]
    );
    // The experiment is still looked at.
    let mut other = row(10);
    other.experiment = "absent".parse().unwrap();
    let error = catalog
        .insert_with(&other, None, Some(&under(1)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// The rows of an import become visible together, or none if one is below the fence.
async fn staged_rows_below_the_fence_are_not_published(database: &Database) {
    let (catalog, record) = (&database.inventory, &database.placement);
    let new = Experiment::new(experiment(), time(1));
    catalog.create_experiment(&new).await.unwrap();
    record.replace_placement(0, &placement(1, 0)).await.unwrap();
    let [early, low, mixed, high] = [(); 4].map(|()| ImportId::mint());
    let staged = |n, epoch| StagedRow::new(row(n)).for_placement(epoch);
    for (import, rows) in [
        (early, &[staged(1, 0)][..]),
        (low, &[staged(2, 0)]),
        (mixed, &[staged(3, 1), staged(4, 0)]),
        (high, &[staged(5, 1), staged(6, 2)]),
    ] {
        catalog.stage(import, rows).await.unwrap();
    }
    catalog.publish(early, 1).await.unwrap();
    record.replace_placement(1, &placement(1, 1)).await.unwrap();
    for (import, number) in [(low, 1), (mixed, 2)] {
        let error = catalog.publish(import, number).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.detail().contains("moved to another one"), "{error}");
    }
    catalog.publish(high, 2).await.unwrap();
    let ids = [1, 2, 3, 4, 5, 6].map(|n| row(n).id);
    assert_eq!(catalog.missing(&ids).await.unwrap(), ids[1..4]);
    // Another run stages it under the epoch of now.
    let again = ImportId::mint();
    catalog.stage(again, &[staged(2, 1)]).await.unwrap();
    catalog.publish(again, 1).await.unwrap();
    assert_eq!(catalog.missing(&ids).await.unwrap(), ids[2..4]);
}

async fn keeps_the_contract(open: impl AsyncFn() -> Database) {
    staged_rows_below_the_fence_are_not_published(&open().await).await;
    is_replaced_by_epoch(&open().await).await;
    rows_below_the_fence_are_refused(&open().await).await;
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    keeps_the_contract(async || Database::new(MemoryDatabase::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let paths = std::cell::Cell::new(0);
    keeps_the_contract(async || {
        paths.set(paths.get() + 1);
        let path = folder.path().join(paths.get().to_string());
        Database::new(artifact_store::SqliteDatabase::open(&path).await.unwrap())
    })
    .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_refuses_the_rows_of_an_older_version_below_the_fence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = Database::new(artifact_store::SqliteDatabase::open(&path).await.unwrap());
    rows_below_the_fence_are_refused(&database).await;
    // A server of an older version inserts without an epoch.
    let older = rusqlite::Connection::open(&path).unwrap();
    let insert = "INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, sha256, created_at) \
        SELECT x'0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b', experiment, created_by, size, content_type, sha256, created_at \
        FROM artifact_rows WHERE size = 1";
    let error = older.execute(insert, []).unwrap_err();
    assert!(error.to_string().contains("restart this server"), "{error}");
    older.execute("UPDATE placement SET fence = 0", []).unwrap();
    assert_eq!(older.execute(insert, []).unwrap(), 1);
}

#[cfg(feature = "postgres")]
mod postgres {
    use artifact_postgres_test::Server;
    use artifact_store::{Catalog as _, CatalogInventory as _, PlacementRecord as _};

    use super::*;
    use crate::catalog::postgres::{open, wait_for_a_waiter};

    /// What an older version sends, for one row.
    const OLDER: &str = "INSERT INTO artifact.artifact_rows \
        (id, experiment, created_by, size, content_type, sha256, created_at) \
        VALUES (decode(repeat('0b', 16), 'hex'), 'exp-1', 'admin', 1, 'a/b', decode(repeat('0b', 32), 'hex'), 1)";

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres_keeps_the_contract() {
        let Some(server) = Server::shared() else {
            return;
        };
        let (first, second) = (server.database(), server.database());
        let third = server.database();
        is_replaced_by_epoch(&Database::new(open(&first).await)).await;
        staged_rows_below_the_fence_are_not_published(&Database::new(open(&third).await)).await;
        rows_below_the_fence_are_refused(&Database::new(open(&second).await)).await;
        let refused = second.refused_sql(OLDER);
        assert!(refused.contains("restart this server"), "{refused}");
        second.sql("UPDATE artifact.placement SET fence = 0");
        second.sql(OLDER);
    }

    /// A fence waits for inserts that have begun, and inserts that wait for the fence see it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_fence_and_an_insert_at_the_same_time_have_an_order() {
        let Some(server) = Server::shared() else {
            return;
        };
        let database = server.database();
        let rows = open(&database).await;
        let new = Experiment::new(experiment(), time(1));
        rows.create_experiment(&new).await.unwrap();
        rows.insert(&row(1)).await.unwrap();
        rows.replace_placement(0, &placement(1, 0)).await.unwrap();
        let import = ImportId::mint();
        rows.stage(import, &[StagedRow::new(row(3))]).await.unwrap();

        // An insert that is not committed.
        let mut session = database.psql();
        session.run("BEGIN");
        session.run(OLDER);
        let fence = {
            let rows = Arc::new(open(&database).await);
            tokio::spawn(async move { rows.replace_placement(1, &placement(1, 1)).await })
        };
        wait_for_a_waiter(&database);
        // They queue behind the fence.
        let rows = Arc::new(rows);
        let late = Arc::clone(&rows);
        let late =
            tokio::spawn(async move { late.insert_with(&row(2), None, Some(&under(0))).await });
        let published = tokio::spawn(async move { rows.publish(import, 1).await });
        session.run("COMMIT");
        fence.await.unwrap().unwrap();
        for late in [late, published] {
            let error = late.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.detail().contains("moved to another one"), "{error}");
        }
        let rows = "SELECT count(*) FROM artifact.artifact_rows";
        assert_eq!(database.sql(rows), "2");
    }
}
