//! Many small artifacts with large ones between them. In the background lane, a folder runs few operations at the same time.

use artifact_store::{Backend, ExportOptions, Exporter, ImportOptions, Importer, Row};

use super::site::{Halves, created, row_of};
use crate::support::{bytes, experiment};

/// Returns 200 rows with their bytes. Each fifth artifact is large.
fn artifacts() -> Vec<(Row, Vec<u8>)> {
    let of = |n: u8| {
        let size = if n % 5 == 0 { 70_000 } else { 100 };
        let bytes = bytes(size + usize::from(n));
        (row_of(n, &bytes), bytes)
    };
    (1..=200).map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_and_large_artifacts_of_a_folder_do_not_wait_for_each_other() {
    let from = Halves::in_memory();
    from.catalog.create_experiment(&created()).await.unwrap();
    for (row, bytes) in artifacts() {
        from.deposit(&row, bytes).await;
    }
    let (_, archive) = from.export().await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let blobs = Backend::from_url(path.to_str().unwrap()).await.unwrap();
    let to = Halves::in_memory();
    let importer = Importer::new(
        to.catalog.clone(),
        blobs.inventory(),
        ImportOptions::default(),
    );
    let report = importer.run(&archive[..], |_| {}).await.unwrap();
    assert_eq!((report.new, report.refused), (200, 0));

    let exporter = Exporter::new(
        to.catalog.clone(),
        blobs.inventory(),
        ExportOptions::default(),
    );
    let mut again = Vec::new();
    let exported = exporter.run(&experiment(), &mut again, |_| {}).await;
    assert_eq!(exported.unwrap().artifacts, 200);
    assert!(again == archive, "the two archives are equal");
}
