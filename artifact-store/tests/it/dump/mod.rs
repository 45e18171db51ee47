//! Copies of databases, and their text.

mod moved;
#[cfg(feature = "postgres")]
mod postgres;
pub(crate) mod records;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "backup")]
mod text;

use artifact_store::{Database, DumpRecord, ErrorKind, MemoryDatabase, StoreId};
use proptest::test_runner::{Config, TestRunner};

use self::records::contents;

/// Reads everything that a database holds.
pub(crate) async fn dump(database: &Database) -> (Option<StoreId>, Vec<DumpRecord>) {
    let mut snapshot = database.portable().unwrap().snapshot().await.unwrap();
    let mut records = Vec::new();
    while let Some(batch) = snapshot.next().await.unwrap() {
        assert!(!batch.is_empty() || snapshot.unreadable() > 0);
        records.extend(batch);
    }
    assert_eq!(snapshot.unreadable(), 0);
    (snapshot.store_id(), records)
}

/// Writes everything into an empty database, in parts of a size that cuts through the kinds.
pub(crate) async fn load(
    database: &Database,
    store_id: Option<StoreId>,
    records: &[DumpRecord],
) -> artifact_store::Result<()> {
    let mut load = database.portable()?.begin_load().await?;
    for some in records.chunks(7) {
        load.write(some.to_vec()).await?;
    }
    load.commit(store_id).await
}

/// Checks that a database returns what was written into it, and refuses a second load.
pub(crate) async fn assert_round_trip(database: &Database, records: &[DumpRecord]) {
    let id = Some(StoreId::from_bytes([9; 16]));
    load(database, id, records).await.unwrap();
    let (found_id, found) = dump(database).await;
    assert_eq!(found_id, id);
    assert_eq!(found, records);
    let refused = load(database, id, records).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(dump(database).await.1, records);
}

/// Checks that a database reads a dump in the order of older versions.
pub(crate) async fn assert_older_order_is_read(database: &Database) {
    let mut contents = records::small();
    contents.retain(|record| !records::is_of_collection(record));
    load(database, None, &records::in_older_order(contents.clone()))
        .await
        .unwrap();
    assert_eq!(dump(database).await.1, contents);
}

/// Checks that a database leaves out a grant whose collection the copy lacks.
pub(crate) async fn assert_grants_without_their_collection_are_left_out(database: &Database) {
    let mut contents = records::small();
    contents.retain(|record| {
        let is_of_collection = matches!(
            record,
            DumpRecord::Collection(_) | DumpRecord::CollectionFile { .. }
        );
        !is_of_collection
    });
    load(database, None, &contents).await.unwrap();
    contents.retain(|record| !records::is_of_collection(record));
    assert_eq!(dump(database).await.1, contents);
}

/// Runs a check on some contents of any kind.
pub(crate) fn for_contents(cases: u32, check: impl Fn(Vec<DumpRecord>)) {
    let mut config = Config::with_cases(cases);
    config.failure_persistence = None;
    TestRunner::new(config)
        .run(&contents(), |records| {
            check(records);
            Ok(())
        })
        .unwrap();
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

#[test]
fn memory_returns_any_contents_that_were_written() {
    for_contents(256, |records| {
        block_on(async {
            assert_round_trip(&Database::new(MemoryDatabase::new()), &records).await;
        });
    });
}

#[tokio::test]
async fn memory_reads_grants_before_and_without_their_collections() {
    assert_older_order_is_read(&Database::new(MemoryDatabase::new())).await;
    let database = Database::new(MemoryDatabase::new());
    assert_grants_without_their_collection_are_left_out(&database).await;
}

#[tokio::test]
async fn a_load_that_is_dropped_writes_nothing() {
    let database = Database::new(MemoryDatabase::new());
    let mut load = database.portable().unwrap().begin_load().await.unwrap();
    load.write(records::small()).await.unwrap();
    drop(load);
    assert_eq!(dump(&database).await.1, []);
}

#[tokio::test]
async fn a_removed_id_never_gets_a_row_in_a_copy() {
    let copy = Database::new(MemoryDatabase::new());
    load(&copy, None, &records::small()).await.unwrap();
    records::assert_small_is_in_force(&copy).await;
}

/// Checks that snapshots are of one moment while two tasks deposit and one removes: of the rows that one task inserts in
/// turn, a snapshot has those up to one, and a removed row is not there as a row.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) async fn assert_snapshots_of_one_moment(database: &Database) {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use artifact_store::ArtifactId;

    use crate::support::{experiment, row};

    fn id(task: u8, number: u64) -> ArtifactId {
        ArtifactId::from_bytes(((u128::from(task) << 64) | u128::from(number)).to_be_bytes())
    }

    let new = artifact_store::Experiment::new(experiment(), crate::support::time(1));
    database.catalog.create_experiment(&new).await.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let tasks: Vec<_> = [0_u8, 1]
        .into_iter()
        .map(|task| {
            let (database, is_over) = (database.clone(), Arc::clone(&is_over));
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(async move {
                let mut number = 0;
                while !is_over.load(Ordering::SeqCst) {
                    number += 1;
                    let mut new = row(1);
                    new.id = id(task, number);
                    database.catalog.insert(&new).await.unwrap();
                    acknowledged[usize::from(task)].store(number, Ordering::SeqCst);
                    if number % 3 == 0 {
                        database.inventory.remove(new.id).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for _ in 0..20 {
        let before = [0, 1].map(|task| acknowledged[task].load(Ordering::SeqCst));
        let (_, records) = dump(database).await;
        let rows: HashSet<_> = records
            .iter()
            .filter_map(|record| match record {
                DumpRecord::Artifact { row, .. } => Some(row.id),
                _ => None,
            })
            .collect();
        let removed: HashSet<_> = records
            .iter()
            .filter_map(|record| match record {
                DumpRecord::Removed(id) => Some(*id),
                _ => None,
            })
            .collect();
        assert!(rows.is_disjoint(&removed));
        for task in [0, 1] {
            let mut last = 0;
            while rows.contains(&id(task, last + 1)) || removed.contains(&id(task, last + 1)) {
                last += 1;
            }
            assert!(
                last >= before[usize::from(task)],
                "an acknowledged row is missing"
            );
            let later = |found: &ArtifactId| {
                let number = u128::from(*found);
                number >> 64 == u128::from(task) && number & u128::from(u64::MAX) > u128::from(last)
            };
            assert!(
                !rows.iter().any(later) && !removed.iter().any(later),
                "there is a gap"
            );
            for number in 1..last {
                assert_eq!(
                    removed.contains(&id(task, number)),
                    number % 3 == 0,
                    "{number} of {last}"
                );
            }
        }
    }
    is_over.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}
