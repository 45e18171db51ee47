//! Checks one blob against its row.

use artifact_backend::{ByteRange, ErrorKind as BackendErrorKind};

use super::{Run, ScrubEvent};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::Hasher;
use crate::row::Row;

/// The bytes that a smaller blob counts as in the rate, because each blob costs a request.
const LEAST: u64 = 16 << 10;

/// What the check of one artifact found.
pub(super) enum Checked {
    Sound,
    /// The bytes are not those of the row.
    Corrupt(Error),
    /// There is no blob.
    Missing,
    /// The artifact was removed during the check.
    Removed,
}

impl<F: FnMut(ScrubEvent) + Send> Run<'_, F> {
    /// Reads a blob and compares it with its row. Fails if it could not be read to the end for another reason than its
    /// damage.
    pub(super) async fn check(&mut self, row: &Row) -> Result<Checked> {
        let checked = self.compare(row).await?;
        // The collector, or a client, may have removed the artifact while it was read.
        if !matches!(checked, Checked::Sound) && self.is_removed(row).await? {
            return Ok(Checked::Removed);
        }
        Ok(checked)
    }

    async fn compare(&mut self, row: &Row) -> Result<Checked> {
        let mut download = match self.backend.download(row.id, ByteRange::Full).await {
            Ok(download) => download,
            Err(error) => return judge(row, error),
        };
        if download.size() != row.size {
            let detail = format!(
                "it has {} bytes, its row says {}",
                download.size(),
                row.size
            );
            return Ok(Checked::Corrupt(corrupt(row, detail)));
        }
        self.pace.take(LEAST.saturating_sub(row.size)).await;
        let mut hasher = Hasher::default();
        while let Some(chunk) = download.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return judge(row, error),
            };
            let length = chunk.len() as u64;
            self.pace.take(length).await;
            hasher = hasher.update(chunk).await?;
            self.report.bytes += length;
            self.progress();
        }
        let sha256 = hasher.finish();
        if sha256 != row.sha256 {
            let detail = format!("its SHA-256 is {sha256}, its row says {}", row.sha256);
            return Ok(Checked::Corrupt(corrupt(row, detail)));
        }
        Ok(Checked::Sound)
    }

    async fn is_removed(&mut self, row: &Row) -> Result<bool> {
        let missing = self.catalog.missing(&[row.id]).await?;
        Ok(missing.contains(&row.id))
    }
}

/// Decides what the error of a read says about the blob.
fn judge(row: &Row, error: artifact_backend::Error) -> Result<Checked> {
    let kind = error.kind();
    let error = Error::backend(Operation::Read, error).with_id(row.id);
    match kind {
        BackendErrorKind::NotFound => Ok(Checked::Missing),
        BackendErrorKind::Corrupt => Ok(Checked::Corrupt(error)),
        _ => Err(error),
    }
}

fn corrupt(row: &Row, detail: String) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::Read)
        .with_id(row.id)
        .with_detail(detail)
}
