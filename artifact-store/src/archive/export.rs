//! Writes the archive of an experiment.

use std::sync::Arc;

use artifact_backend::{
    ArtifactInventory, ByteRange, Download, ErrorKind as BackendErrorKind, background,
};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::io::AsyncWrite;

use super::options::ExportOptions;
use super::records::{ArchivedRow, Head, MAX_ROWS, PART_BYTES};
use super::report::{ExportEvent, ExportReport};
use super::writer::ArchiveWriter;
use crate::catalog::{CatalogInventory, RowFilter, RowPosition};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::hasher::Hasher;
use crate::pace::Pace;
use crate::row::Row;

/// A blob up to this size is loaded before its turn.
const SMALL: u64 = 64 << 10;
/// The number of small blobs that are loaded at the same time.
const AHEAD: usize = 8;

/// Writes an experiment as one archive, while servers run: the bytes, row and hold of each artifact, and the retention.
///
/// The archive is a tar file of a fixed form that `docs/archive.md` describes; `tar` and `sha256sum` can read it. The
/// artifacts are in the order of their deposits, so two exports of the same artifacts are equal. Workers, groups and
/// credentials are not in it.
///
/// The exporter compares the SHA-256 of each artifact with its row while it writes. If one is damaged or missing, the export
/// fails and names it, and the archive has no end, so that every importer refuses it.
///
/// An artifact that is deposited or removed while the export runs is in the archive as a whole or not at all.
///
/// It runs in the [background lane](artifact_backend::background()), so deposits and fetches do not wait for it.
///
/// Memory: up to 1,000 rows, eight artifacts of 64 KiB or one chunk of a larger one.
///
/// ```
/// use artifact_store::{Backend, Database, ExportOptions, Exporter};
///
/// # async fn example(database: Database, backend: Backend) -> artifact_store::Result<()> {
/// let options = ExportOptions::default().with_bytes_per_second(50 << 20);
/// let exporter = Exporter::new(database.inventory, backend.inventory(), options);
/// let mut archive = Vec::new(); // or a file, a socket, standard output
/// let experiment = "exp-1".parse().expect("it is an id");
/// let report = exporter.run(&experiment, &mut archive, |_| {}).await?;
/// println!("{} artifacts", report.artifacts);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Exporter {
    catalog: Arc<dyn CatalogInventory>,
    backend: Arc<dyn ArtifactInventory>,
    options: ExportOptions,
}

impl Exporter {
    /// Creates an exporter. Does no I/O.
    pub fn new(
        catalog: Arc<dyn CatalogInventory>,
        backend: Arc<dyn ArtifactInventory>,
        options: ExportOptions,
    ) -> Self {
        Self {
            catalog,
            backend,
            options,
        }
    }

    /// Writes the archive, and flushes it. Syncing a file is up to the caller. Calls `observe` for each event, on the task
    /// of the caller.
    ///
    /// A dropped future leaves an archive without an end. Needs a Tokio runtime, with a timer if there is a limit of bytes
    /// per second.
    ///
    /// # Errors
    ///
    /// `NotFound` without an id if the experiment does not exist; then nothing was written. `Corrupt` with the id of an
    /// artifact whose stored bytes are damaged, or missing. `Corrupt` without an id if a row cannot be read. `OutOfSpace`
    /// or `Unavailable` if the archive cannot be written. Otherwise the errors of the catalog and of the backend.
    pub async fn run(
        &self,
        experiment: &ExperimentId,
        archive: impl AsyncWrite + Unpin + Send,
        observe: impl FnMut(ExportEvent) + Send,
    ) -> Result<ExportReport> {
        background(self.export(experiment, archive, observe)).await
    }

    async fn export(
        &self,
        experiment: &ExperimentId,
        archive: impl AsyncWrite + Unpin + Send,
        observe: impl FnMut(ExportEvent) + Send,
    ) -> Result<ExportReport> {
        let found = self.catalog.experiment(experiment).await?;
        let found = found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, Operation::Export)
                .with_detail(format!("there is no experiment {experiment}"))
        })?;
        let retention = self.catalog.retention(experiment).await?;
        let retention = retention.map(|keep| u64::try_from(keep.as_micros()).unwrap_or(u64::MAX));
        let head = Head::new(found.id, found.created_at, retention);
        let mut run = Run {
            catalog: &*self.catalog,
            backend: &*self.backend,
            pace: Pace::new(self.options.bytes_per_second),
            archive: ArchiveWriter::begin(archive, &head).await?,
            report: ExportReport::default(),
            observe,
        };
        run.write_parts(experiment).await?;
        let Run {
            archive, report, ..
        } = run;
        archive.finish().await?;
        Ok(report)
    }
}

/// One export that runs.
struct Run<'e, W, F> {
    catalog: &'e dyn CatalogInventory,
    backend: &'e dyn ArtifactInventory,
    pace: Pace,
    archive: ArchiveWriter<W>,
    report: ExportReport,
    observe: F,
}

/// What was done about an artifact before its turn.
enum Loaded {
    Small(Bytes),
    /// A large one is opened when it is its turn.
    NotYet,
    /// The artifact was removed since it was listed.
    Removed,
}

impl<W: AsyncWrite + Unpin + Send, F: FnMut(ExportEvent) + Send> Run<'_, W, F> {
    async fn write_parts(&mut self, experiment: &ExperimentId) -> Result<()> {
        let filter = RowFilter::of_experiment(experiment.clone());
        let mut after = RowPosition::START;
        let (mut part, mut bytes) = (Vec::new(), 0_u64);
        loop {
            let page = self.catalog.scan(&filter, after, 1_000).await?;
            if page.unreadable > 0 {
                return Err(Error::new(ErrorKind::Corrupt, Operation::Export).with_detail(
                    "a row cannot be read; the log says which (alarm=\"corrupt-rows\"): repair it in the database",
                ));
            }
            for row in page.rows {
                bytes = bytes.saturating_add(row.size);
                part.push(row);
                // Depends only on the rows, so that another export is equal.
                if part.len() == MAX_ROWS || bytes >= PART_BYTES {
                    bytes = 0;
                    self.write_part(std::mem::take(&mut part)).await?;
                }
            }
            match page.next {
                Some(next) => after = next,
                None if part.is_empty() => return Ok(()),
                None => return self.write_part(part).await,
            }
        }
    }

    async fn write_part(&mut self, rows: Vec<Arc<Row>>) -> Result<()> {
        let mut archived = Vec::with_capacity(rows.len());
        for row in rows {
            let hold = self.catalog.find_hold(row.id).await?;
            let row = Row::clone(&row);
            archived.push(ArchivedRow { row, hold });
        }
        self.archive.begin_part(&archived).await?;
        let (catalog, backend) = (self.catalog, self.backend);
        for group in archived.chunks(AHEAD) {
            // Loaded to their end before anything else waits for the backend. A load that was begun and is not polled could
            // have a permit that the others need.
            let loads = group
                .iter()
                .map(|archived| load_small(catalog, backend, &archived.row));
            for (archived, loaded) in group.iter().zip(join_all(loads).await) {
                self.write_blob(&archived.row, loaded?).await?;
            }
        }
        self.archive.end_part().await
    }

    async fn write_blob(&mut self, row: &Row, loaded: Loaded) -> Result<()> {
        match loaded {
            Loaded::Removed => self.report.removed += 1,
            Loaded::Small(bytes) => {
                self.archive.begin_blob(row).await?;
                self.write(bytes).await?;
                self.end(row).await?;
            }
            Loaded::NotYet => {
                match unless_removed(self.catalog, row, open(self.backend, row)).await? {
                    Some(download) => self.write_large(row, download).await?,
                    None => self.report.removed += 1,
                }
            }
        }
        Ok(())
    }

    async fn write_large(&mut self, row: &Row, mut download: Download) -> Result<()> {
        self.archive.begin_blob(row).await?;
        let mut hasher = Hasher::default();
        while let Some(chunk) = download.next().await {
            let chunk = chunk.map_err(|error| read_error(row, error))?;
            hasher = hasher.update(chunk.clone()).await?;
            self.write(chunk).await?;
        }
        check_digest(row, hasher)?;
        self.end(row).await
    }

    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.pace.take(chunk.len() as u64).await;
        self.archive.write(&chunk).await?;
        self.report.bytes += chunk.len() as u64;
        self.progress();
        Ok(())
    }

    async fn end(&mut self, row: &Row) -> Result<()> {
        self.archive.end_blob(row).await?;
        self.report.artifacts += 1;
        self.progress();
        Ok(())
    }

    fn progress(&mut self) {
        let (artifacts, bytes) = (self.report.artifacts, self.report.bytes);
        (self.observe)(ExportEvent::Progress { artifacts, bytes });
    }
}

/// Loads a small blob, and checks it.
async fn load_small(
    catalog: &dyn CatalogInventory,
    backend: &dyn ArtifactInventory,
    row: &Row,
) -> Result<Loaded> {
    if row.size > SMALL {
        return Ok(Loaded::NotYet);
    }
    let load = async {
        let bytes = open(backend, row).await?.into_bytes().await;
        let bytes = bytes.map_err(|error| read_error(row, error))?;
        check_digest(row, Hasher::default().update(bytes.clone()).await?)?;
        Ok(bytes)
    };
    let loaded = unless_removed(catalog, row, load).await?;
    Ok(loaded.map_or(Loaded::Removed, Loaded::Small))
}

/// Opens a blob, and compares its size with the row.
async fn open(backend: &dyn ArtifactInventory, row: &Row) -> Result<Download> {
    let download = backend.download(row.id, ByteRange::Full).await;
    let download = download.map_err(|error| read_error(row, error))?;
    let size = download.size();
    if size == row.size {
        return Ok(download);
    }
    let detail = format!("it has {size} bytes, its row says {}", row.size);
    Err(damaged(row, detail))
}

/// Reads, and returns `None` if the artifact was removed since it was listed, by the collector or a client.
async fn unless_removed<T>(
    catalog: &dyn CatalogInventory,
    row: &Row,
    read: impl Future<Output = Result<T>> + Send,
) -> Result<Option<T>> {
    let error = match read.await {
        Ok(read) => return Ok(Some(read)),
        Err(error) => error,
    };
    if error.kind() == ErrorKind::Corrupt && catalog.missing(&[row.id]).await?.contains(&row.id) {
        return Ok(None);
    }
    Err(error)
}

fn check_digest(row: &Row, hasher: Hasher) -> Result<()> {
    let sha256 = hasher.finish().sha256;
    if sha256 == row.sha256 {
        return Ok(());
    }
    Err(damaged(
        row,
        format!("its SHA-256 is {sha256}, its row says {}", row.sha256),
    ))
}

fn read_error(row: &Row, error: artifact_backend::Error) -> Error {
    match error.kind() {
        BackendErrorKind::NotFound => damaged(
            row,
            "its blob is missing: restore it from a backup, or delete the artifact".into(),
        )
        .with_source(error),
        _ => Error::backend(Operation::Export, error).with_id(row.id),
    }
}

fn damaged(row: &Row, detail: String) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::Export)
        .with_id(row.id)
        .with_detail(detail)
}
