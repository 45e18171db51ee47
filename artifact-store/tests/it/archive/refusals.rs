//! What a store has, or had, decides what it takes.

use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _};
use artifact_store::{ErrorKind, ImportOptions, Removal};
use bytes::Bytes;

use super::site::{Halves, created, row_of, small};

#[tokio::test]
async fn a_removed_artifact_is_refused_or_left_out() {
    let (from, archive) = small().await;
    let to = Halves::in_memory();
    to.import(&archive).await.unwrap();
    let row = from.rows().await.remove(1);
    assert_eq!(to.catalog.remove(row.id).await.unwrap(), Removal::Removed);
    to.backend.delete(row.id).await.unwrap();

    for dry_run in [true, false] {
        let options = ImportOptions::default().with_dry_run(dry_run);
        let (report, ids) = to.import_with(options, &archive).await;
        assert!(!report.is_good());
        assert_eq!(
            (report.refused, report.already_here, ids),
            (1, 3, vec![row.id])
        );
    }
    let options = ImportOptions::default().with_skip_removed(true);
    let (report, ids) = to.import_with(options, &archive).await;
    assert_eq!(
        (report.skipped, report.already_here, ids),
        (1, 3, vec![row.id])
    );
    assert!(report.is_good());
    assert_eq!(to.rows().await.len(), 3);
    assert!(
        to.backend.load(row.id).await.is_err(),
        "its blob did not come back"
    );
}

#[tokio::test]
async fn an_id_with_another_row_is_refused_and_nothing_is_imported() {
    let (from, archive) = small().await;
    let to = Halves::in_memory();
    to.catalog.create_experiment(&created()).await.unwrap();
    let theirs = from.rows().await.remove(2);
    let mut mine = row_of(1, b"mine");
    mine.id = theirs.id;
    to.deposit(&mine, b"mine".to_vec()).await;
    let (report, ids) = to.import_with(ImportOptions::default(), &archive).await;
    assert_eq!((report.refused, ids), (1, vec![mine.id]));
    assert_eq!(to.rows().await, [mine.clone()]);
    assert_eq!(to.backend.load(mine.id).await.unwrap(), "mine");
}

#[tokio::test]
async fn other_bytes_under_an_id_are_not_taken_for_the_artifact() {
    let (from, archive) = small().await;
    // A small one, and a large one.
    for n in [0, 3] {
        let row = from.rows().await.remove(n);
        for other in [vec![1; usize::try_from(row.size).unwrap()], vec![2; 9]] {
            let to = Halves::in_memory();
            to.backend.store(row.id, Bytes::from(other)).await.unwrap();
            let error = to.import(&archive).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.id()),
                (ErrorKind::Corrupt, Some(row.id))
            );
            assert_eq!(to.rows().await, []);
        }
    }
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let (_, archive) = small().await;
    let to = Halves::in_memory();
    let options = ImportOptions::default().with_dry_run(true);
    let (report, _) = to.import_with(options, &archive).await;
    assert_eq!((report.artifacts, report.new), (4, 4));
    assert_eq!(to.rows().await, []);
    assert_eq!(to.catalog.experiments().await.unwrap(), []);
    let blobs = futures_util::StreamExt::count(to.backend.list().await.unwrap());
    assert_eq!(blobs.await, 0);
}
