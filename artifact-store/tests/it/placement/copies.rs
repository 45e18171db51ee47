//! What becomes of the placement when the database is copied.

use artifact_store::{
    Database, ErrorKind, Experiment, FormerBackend, MemoryDatabase, Placement, RowPosition,
    StoreId, copy_database,
};

use crate::dump::{dump, load};
use crate::support::{experiment, row, time};

/// The middle of a migration that came after another one.
fn placement() -> Placement {
    let mut placement = Placement::new("s3://new/prefix");
    placement.epoch = 3;
    placement.fence = 3;
    placement.previous = Some("file:///old".into());
    placement.reached = RowPosition::from_number(1);
    placement.former = vec![
        FormerBackend::new("file:///emptied", true),
        FormerBackend::new("file:///first", false),
    ];
    placement
}

/// Fills a database with two rows, whose epochs are below the fence.
async fn fill(database: &Database) {
    let new = Experiment::new(experiment(), time(1));
    database.catalog.create_experiment(&new).await.unwrap();
    for n in [1, 2] {
        database.catalog.insert(&row(n)).await.unwrap();
    }
    let id = StoreId::from_bytes([7; 16]);
    database.store_id.propose_store_id(id).await.unwrap();
    database.store_id.confirm_store_id(id).await.unwrap();
    let placement = placement();
    let placed = database.placement.replace_placement(0, &placement);
    placed.await.unwrap();
}

/// Copies one database into another, and checks that the copy is in the same state.
async fn is_copied(from: &Database, to: &Database) {
    fill(from).await;
    let report = copy_database(from, to, "the copy", |_| ()).await.unwrap();
    assert_eq!(report.artifacts, 2);
    let copied = to.placement.placement().await.unwrap();
    assert_eq!(copied, Some(placement()));
    assert_eq!(dump(to).await, dump(from).await);
    // The fence is in force, and the migration goes on in the copy alone.
    let refused = to.catalog.insert(&row(3)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    let reached = RowPosition::from_number(2);
    to.placement.set_reached(3, reached).await.unwrap();
    let mut ended = placement();
    (ended.epoch, ended.previous) = (4, None);
    to.placement.replace_placement(3, &ended).await.unwrap();
    for refused in [
        from.placement.replace_placement(3, &ended).await,
        from.placement.set_reached(3, reached).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{refused}");
    }
    assert_eq!(from.placement.placement().await.unwrap(), Some(placement()));
    // Without the mark it goes on in the old one.
    from.portable().unwrap().clear_moved().await.unwrap();
    from.placement.set_reached(3, reached).await.unwrap();
}

/// A restored store may be in other backends, so a snapshot has no placement.
async fn is_no_part_of_a_snapshot(from: &Database, to: &Database) {
    fill(from).await;
    let (id, records) = dump(from).await;
    load(to, id, &records).await.unwrap();
    assert_eq!(to.placement.placement().await.unwrap(), None);
    to.catalog.insert(&row(3)).await.unwrap();
    assert_eq!(dump(to).await.1[..3], records[..3]);
}

fn memory() -> Database {
    Database::new(MemoryDatabase::new())
}

#[tokio::test]
async fn the_placement_is_copied_and_not_restored_in_memory() {
    is_copied(&memory(), &memory()).await;
    is_no_part_of_a_snapshot(&memory(), &memory()).await;
}

#[tokio::test]
async fn a_database_that_has_a_placement_is_not_empty() {
    let (from, to) = (memory(), memory());
    fill(&from).await;
    to.placement
        .replace_placement(0, &placement())
        .await
        .unwrap();
    let error = copy_database(&from, &to, "x", |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn the_placement_is_copied_and_not_restored_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| {
        let path = folder.path().join(name);
        Database::new(artifact_store::SqliteDatabase::open(path).await.unwrap())
    };
    is_copied(&open("a").await, &open("b").await).await;
    is_copied(&memory(), &open("c").await).await;
    is_copied(&open("d").await, &memory()).await;
    is_no_part_of_a_snapshot(&open("e").await, &open("f").await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_placement_is_copied_and_not_restored_in_postgres() {
    use crate::catalog::postgres::open;

    let Some(server) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let databases = [(); 4].map(|()| server.database());
    let [a, b, c, d] = databases
        .each_ref()
        .map(async |it| Database::new(open(it).await));
    is_copied(&a.await, &b.await).await;
    is_copied(&memory(), &c.await).await;
    is_no_part_of_a_snapshot(&memory(), &d.await).await;
}
