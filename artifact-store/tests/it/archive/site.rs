//! Stores to export from and to import into.

use std::sync::Arc;

use artifact_backend::ArtifactBackend as _;
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactId, CatalogInventory, ContentType, Error, Experiment, ExperimentId, ExportOptions,
    ExportReport, Exporter, FileName, Hold, ImportEvent, ImportOptions, ImportReport, Importer,
    MemoryDatabase, PrincipalId, Result, Row, RowFilter, RowPosition,
};
use bytes::Bytes;

use crate::support::{bytes, chunk_digests, digest, experiment, row, time};

/// The two halves of a store.
#[derive(Debug, Clone)]
pub(crate) struct Halves {
    pub(crate) catalog: Arc<dyn CatalogInventory>,
    pub(crate) backend: Arc<MemBackend>,
}

impl Halves {
    pub(crate) fn of(catalog: Arc<dyn CatalogInventory>) -> Self {
        Self {
            catalog,
            backend: Arc::default(),
        }
    }

    pub(crate) fn in_memory() -> Self {
        Self::of(Arc::new(MemoryDatabase::new()))
    }

    /// Stores an artifact as a deposit of an older version does, without chunk digests.
    pub(crate) async fn deposit(&self, row: &Row, bytes: Vec<u8>) {
        self.backend
            .store(row.id, Bytes::from(bytes))
            .await
            .unwrap();
        self.catalog.insert(row).await.unwrap();
    }

    pub(crate) async fn export(&self) -> Result<(ExportReport, Vec<u8>), (Error, Vec<u8>)> {
        let exporter = Exporter::new(
            self.catalog.clone(),
            self.backend.clone(),
            ExportOptions::default(),
        );
        let mut archive = Vec::new();
        match exporter.run(&experiment(), &mut archive, |_| {}).await {
            Ok(report) => Ok((report, archive)),
            Err(error) => Err((error, archive)),
        }
    }

    pub(crate) fn importer(&self, options: ImportOptions) -> Importer {
        Importer::new(self.catalog.clone(), self.backend.clone(), options)
    }

    pub(crate) async fn import(&self, archive: &[u8]) -> Result<ImportReport> {
        let importer = self.importer(ImportOptions::default());
        importer.run(archive, |_| {}).await
    }

    /// Imports, and returns the ids that were refused or skipped too.
    pub(crate) async fn import_with(
        &self,
        options: ImportOptions,
        archive: &[u8],
    ) -> (ImportReport, Vec<ArtifactId>) {
        let mut ids = Vec::new();
        let observe = |event| match event {
            ImportEvent::Refused { id, error } => {
                assert_eq!(error.id(), Some(id));
                ids.push(id);
            }
            ImportEvent::Skipped { id } => ids.push(id),
            _ => {}
        };
        let report = self.importer(options).run(archive, observe).await;
        (report.unwrap(), ids)
    }

    /// Returns all rows in order.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let all = RowFilter::default();
        let page = self.catalog.scan(&all, RowPosition::START, 1_000).await;
        let page = page.unwrap();
        assert_eq!((page.unreadable, page.next), (0, None));
        page.rows.iter().map(|row| Row::clone(row)).collect()
    }

    /// Checks that every row of another store is here, with its bytes.
    pub(crate) async fn assert_has_all_of(&self, other: &Self) {
        let rows = self.rows().await;
        assert_eq!(rows, other.rows().await);
        for row in rows {
            let stored = self.backend.load(row.id).await.unwrap();
            assert_eq!(digest(&stored), row.sha256, "{}", row.id);
            let holds = [self, other].map(|halves| halves.catalog.find_hold(row.id));
            let [mine, theirs] = futures_util::future::join_all(holds)
                .await
                .try_into()
                .unwrap();
            assert_eq!(mine.unwrap(), theirs.unwrap());
        }
    }

    /// Checks that the artifacts have the chunk digests of their bytes.
    pub(crate) async fn assert_has_chunk_digests(&self) {
        for row in self.rows().await {
            let stored = self.backend.load(row.id).await.unwrap();
            let digests = self.catalog.chunk_digests(row.id).await.unwrap();
            assert_eq!(digests, chunk_digests(&stored), "{} bytes", row.size);
            assert_eq!(digests.is_some(), row.size > 65_536);
        }
    }
}

/// Returns a row with the digest of these bytes.
pub(crate) fn row_of(n: u8, bytes: &[u8]) -> Row {
    let mut row = row(n);
    row.size = bytes.len() as u64;
    row.sha256 = digest(bytes);
    row
}

pub(crate) fn created() -> Experiment {
    Experiment::new(experiment(), time(1_600_000_000))
}

pub(crate) fn named(name: &str) -> ExperimentId {
    name.parse().unwrap()
}

/// Fills a store with artifacts of many kinds.
pub(crate) async fn fill(halves: &Halves, sizes: &[usize]) {
    halves.catalog.create_experiment(&created()).await.unwrap();
    for (n, size) in (1..).zip(sizes) {
        let content = bytes(*size);
        let mut row = row_of(n, &content);
        if n % 2 == 0 {
            row = row
                .with_file_name(FileName::clean("na\u{ef}ve \"plan\".csv"))
                .with_content_type(ContentType::clean("text/csv; charset=\"utf-8\""))
                .with_expires_at(time(4_000_000_000));
        }
        halves.deposit(&row, content).await;
        if n % 3 == 0 {
            let hold = Hold::new(row.id, PrincipalId::Admin, time(1_750_000_000));
            halves.catalog.place_hold(&hold).await.unwrap();
        }
    }
}

pub(crate) const SIZES: &[usize] = &[0, 1, 511, 512, 513, 65_536, 65_537, 300_000, 1_048_576 + 1];

/// Returns a small store and its archive.
pub(crate) async fn small() -> (Halves, Vec<u8>) {
    let halves = Halves::in_memory();
    fill(&halves, &[3, 600, 0, 70_000]).await;
    let (_, archive) = halves.export().await.unwrap();
    (halves, archive)
}
