//! Writes the archive of an experiment.

use std::sync::Arc;

use artifact_backend::{
    ArtifactInventory, ByteRange, Download, ErrorKind as BackendErrorKind, background,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
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
/// The number of blobs that are loaded or opened at the same time.
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

/// The bytes of an artifact.
enum Fetched {
    Small(Bytes),
    Large(Download),
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
        let mut rows = archived.iter();
        let mut fetched = FuturesOrdered::new();
        loop {
            while fetched.len() < AHEAD
                && let Some(archived) = rows.next()
            {
                fetched.push_back(fetch(catalog, backend, &archived.row));
            }
            match fetched.next().await.transpose()? {
                None => break,
                Some((_, Fetched::Removed)) => self.report.removed += 1,
                Some((row, Fetched::Small(bytes))) => {
                    self.archive.begin_blob(row).await?;
                    self.write(bytes).await?;
                    self.end(row).await?;
                }
                Some((row, Fetched::Large(download))) => self.write_large(row, download).await?,
            }
        }
        self.archive.end_part().await
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

/// Loads a small blob and checks it, or opens a large one.
async fn fetch<'r>(
    catalog: &dyn CatalogInventory,
    backend: &dyn ArtifactInventory,
    row: &'r Row,
) -> Result<(&'r Row, Fetched)> {
    let error = match try_fetch(backend, row).await {
        Ok(fetched) => return Ok((row, fetched)),
        Err(error) => error,
    };
    // The collector, or a client, may have removed the artifact since the rows were listed.
    if error.kind() == ErrorKind::Corrupt && catalog.missing(&[row.id]).await?.contains(&row.id) {
        return Ok((row, Fetched::Removed));
    }
    Err(error)
}

async fn try_fetch(backend: &dyn ArtifactInventory, row: &Row) -> Result<Fetched> {
    let download = backend.download(row.id, ByteRange::Full).await;
    let download = download.map_err(|error| read_error(row, error))?;
    if download.size() != row.size {
        let size = download.size();
        return Err(damaged(
            row,
            format!("it has {size} bytes, its row says {}", row.size),
        ));
    }
    if row.size > SMALL {
        return Ok(Fetched::Large(download));
    }
    let bytes = download.into_bytes().await;
    let bytes = bytes.map_err(|error| read_error(row, error))?;
    check_digest(row, Hasher::default().update(bytes.clone()).await?)?;
    Ok(Fetched::Small(bytes))
}

fn check_digest(row: &Row, hasher: Hasher) -> Result<()> {
    let sha256 = hasher.finish();
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
