//! Target `archive`: imports any bytes into a store in memory. A refused archive leaves nothing visible. An accepted one is
//! whole: what is exported afterwards is an archive of the same artifacts.

use std::sync::Arc;

use artifact_backend_mem::MemBackend;
use artifact_store::{
    CatalogInventory as _, ExperimentId, ExportOptions, Exporter, ImportOptions, Importer,
    MemoryDatabase, Row, RowFilter, RowPosition,
};

/// Runs the check. Panics if the importer is wrong.
pub fn check(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers needs no resources");
    runtime.block_on(async {
        check_archive(input).await;
        check_archive(&with_checksums(input)).await;
    });
}

/// Repairs the checksum of each block that looks like a header, so that random changes get further.
fn with_checksums(input: &[u8]) -> Vec<u8> {
    let mut archive = input.to_vec();
    for block in archive.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].copy_from_slice(b"        ");
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    archive
}

#[derive(Default)]
struct Store {
    catalog: Arc<MemoryDatabase>,
    backend: Arc<MemBackend>,
}

impl Store {
    async fn import(&self, archive: &[u8], options: ImportOptions) -> Option<ExperimentId> {
        let importer = Importer::new(self.catalog.clone(), self.backend.clone(), options);
        let report = importer.run(archive, |_| {}).await.ok()?;
        assert!(report.is_good(), "an empty store takes every whole archive");
        assert_eq!(report.new, report.artifacts);
        Some(report.experiment)
    }

    async fn rows(&self) -> Vec<Row> {
        let all = RowFilter::default();
        let page = self.catalog.scan(&all, RowPosition::START, 1_000).await;
        let page = page.expect("the database is in memory");
        page.rows.iter().map(|row| Row::clone(row)).collect()
    }

    async fn export(&self, experiment: &ExperimentId) -> Vec<u8> {
        let options = ExportOptions::default();
        let exporter = Exporter::new(self.catalog.clone(), self.backend.clone(), options);
        let mut archive = Vec::new();
        let outcome = exporter.run(experiment, &mut archive, |_| {}).await;
        outcome.expect("every imported artifact is whole");
        archive
    }
}

async fn check_archive(archive: &[u8]) {
    let store = Store::default();
    let dry = ImportOptions::default().with_dry_run(true);
    let passes = store.import(archive, dry).await.is_some();
    assert!(store.rows().await.is_empty(), "a dry run wrote rows");
    let Some(experiment) = store.import(archive, ImportOptions::default()).await else {
        assert!(store.rows().await.is_empty(), "a refused archive left rows");
        return;
    };
    assert!(passes, "a dry run refuses what an import takes");
    let exported = store.export(&experiment).await;
    let copy = Store::default();
    let again = copy.import(&exported, ImportOptions::default()).await;
    assert_eq!(again.as_ref(), Some(&experiment));
    assert_eq!(copy.rows().await, store.rows().await);
    assert_eq!(copy.export(&experiment).await, exported);
}
