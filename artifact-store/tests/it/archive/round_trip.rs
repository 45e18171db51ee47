//! What was exported is the same after an import, in every database.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{ImportOptions, MemoryDatabase};

use super::site::{Halves, SIZES, created, fill, named, row_of, small};
use crate::support::{bytes, experiment};

#[cfg(feature = "sqlite")]
async fn sqlite() -> (tempfile::TempDir, Halves) {
    let folder = tempfile::tempdir().unwrap();
    let database = artifact_store::SqliteDatabase::open(folder.path().join("db"))
        .await
        .unwrap();
    (folder, Halves::of(Arc::new(database)))
}

async fn check_round_trip(from: &Halves, to: &Halves) {
    fill(from, SIZES).await;
    let keep = Duration::from_hours(24 * 4_000);
    from.catalog
        .set_retention(&experiment(), Some(keep))
        .await
        .unwrap();
    let (report, archive) = from.export().await.unwrap();
    let bytes: usize = SIZES.iter().sum();
    assert_eq!(
        (report.artifacts, report.bytes),
        (SIZES.len() as u64, bytes as u64)
    );
    assert_eq!(
        from.export().await.unwrap().1,
        archive,
        "two exports are equal"
    );

    let report = to.import(&archive).await.unwrap();
    assert!(report.is_good());
    assert_eq!(
        (report.artifacts, report.new),
        (SIZES.len() as u64, SIZES.len() as u64)
    );
    assert_eq!(
        (report.bytes, &report.experiment),
        (bytes as u64, &experiment())
    );
    to.assert_has_all_of(from).await;
    to.assert_has_chunk_digests().await;
    let stored = to.catalog.experiment(&experiment()).await.unwrap();
    assert_eq!(stored, Some(created()));
    assert_eq!(
        to.catalog.retention(&experiment()).await.unwrap(),
        Some(keep)
    );
    assert_eq!(
        to.export().await.unwrap().1,
        archive,
        "the archive of the copy is equal"
    );

    let again = to.import(&archive).await.unwrap();
    assert_eq!((again.new, again.already_here), (0, SIZES.len() as u64));
    to.assert_has_all_of(from).await;
}

#[tokio::test]
async fn memory_to_memory() {
    check_round_trip(&Halves::in_memory(), &Halves::in_memory()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn memory_to_sqlite_and_back() {
    let (_folder, halves) = sqlite().await;
    check_round_trip(&Halves::in_memory(), &halves).await;
    let (_, archive) = halves.export().await.unwrap();
    let memory = Halves::of(Arc::new(MemoryDatabase::new()));
    memory.import(&archive).await.unwrap();
    memory.assert_has_all_of(&halves).await;
}

#[cfg(all(feature = "postgres", feature = "sqlite"))]
#[tokio::test]
async fn memory_to_postgres_and_from_there_to_sqlite() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let open = crate::catalog::postgres::open(&database).await;
    let halves = Halves::of(Arc::new(open));
    check_round_trip(&Halves::in_memory(), &halves).await;
    let (_, archive) = halves.export().await.unwrap();
    let (_folder, other) = sqlite().await;
    other.import(&archive).await.unwrap();
    other.assert_has_all_of(&halves).await;
}

#[tokio::test]
async fn an_experiment_without_artifacts_is_an_archive_too() {
    let (from, to) = (Halves::in_memory(), Halves::in_memory());
    fill(&from, &[]).await;
    let (report, archive) = from.export().await.unwrap();
    assert_eq!(report.artifacts, 0);
    assert!(to.import(&archive).await.unwrap().is_good());
    assert!(
        to.catalog
            .experiment(&experiment())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn artifacts_can_go_into_another_experiment() {
    let (_, archive) = small().await;
    let to = Halves::in_memory();
    let options = ImportOptions::default().with_experiment(named("copy"));
    let (report, _) = to.import_with(options.clone(), &archive).await;
    assert_eq!((report.experiment.as_str(), report.new), ("copy", 4));
    assert!(
        to.rows()
            .await
            .iter()
            .all(|row| row.experiment == named("copy"))
    );
    assert_eq!(to.catalog.experiment(&experiment()).await.unwrap(), None);
    let (again, _) = to.import_with(options, &archive).await;
    assert_eq!((again.new, again.already_here), (0, 4));
    // Under the name of the archive they are other rows.
    let (refused, ids) = to.import_with(ImportOptions::default(), &archive).await;
    assert_eq!((refused.refused, ids.len()), (4, 4));
}

#[tokio::test]
async fn the_rest_of_an_experiment_is_added_and_its_retention_stays() {
    let (from, _) = small().await;
    let keep = Duration::from_hours(100_000);
    from.catalog
        .set_retention(&experiment(), Some(keep))
        .await
        .unwrap();
    let (_, archive) = from.export().await.unwrap();
    let to = Halves::in_memory();
    to.catalog.create_experiment(&created()).await.unwrap();
    let own = row_of(99, b"own");
    to.deposit(&own, b"own".to_vec()).await;
    // A row of the archive is here already, and its blob is missing.
    let first = from.rows().await.remove(0);
    to.catalog.insert(&first).await.unwrap();
    let report = to.import(&archive).await.unwrap();
    assert_eq!((report.new, report.already_here), (3, 1));
    assert_eq!(to.rows().await.len(), 5);
    assert_eq!(to.catalog.retention(&experiment()).await.unwrap(), None);
    assert!(to.export().await.is_ok(), "the missing blob came back");
}

#[tokio::test]
async fn parts_have_a_thousand_artifacts() {
    let (from, to) = (Halves::in_memory(), Halves::in_memory());
    from.catalog.create_experiment(&created()).await.unwrap();
    let content = bytes(5);
    for n in 0..2_001_u16 {
        let mut row = row_of(1, &content);
        let mut id = [7; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        row.id = artifact_store::ArtifactId::from_bytes(id);
        from.deposit(&row, content.clone()).await;
    }
    let (report, archive) = from.export().await.unwrap();
    assert_eq!(report.artifacts, 2_001);
    let lists = ["1", "2", "3", "4"].map(|part| {
        let name = format!("parts/0000000{part}.jsonl\0");
        memchr(&archive, name.as_bytes())
    });
    assert_eq!(lists, [true, true, true, false]);
    assert_eq!(to.import(&archive).await.unwrap().new, 2_001);
    assert_eq!(to.export().await.unwrap().1, archive);
}

fn memchr(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test]
async fn exports_and_imports_can_move_between_threads() {
    let (from, _) = small().await;
    let export = tokio::spawn(async move { from.export().await.unwrap().1 });
    let archive = export.await.unwrap();
    let to = Halves::in_memory();
    let import = tokio::spawn(async move { to.import(&archive).await.unwrap() });
    assert_eq!(import.await.unwrap().new, 4);
}
