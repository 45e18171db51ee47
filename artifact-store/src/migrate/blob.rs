//! Copies one blob, and compares one with its row.

use artifact_backend::{ByteRange, Download, ErrorKind as BackendErrorKind, Sha256Digest};
use futures_util::future::try_join;

use super::{MigrateEvent, Run};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::Hasher;
use crate::row::Row;

/// The size in bytes up to which a blob is copied as a whole, in one call.
const SMALL: u64 = 64 << 10;

/// What became of one blob.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The new backend has the blob now.
    Copied,
    /// The new backend had it before.
    Present,
    /// The blob was deleted from the old backend.
    Deleted,
    /// The old backend has no such blob any more.
    Absent,
    Corrupt(Error),
    Missing,
    Failed(Error),
}

/// The side of a migration that an error is about.
#[derive(Debug, Clone, Copy)]
enum Side {
    From,
    To,
}

impl<F: FnMut(MigrateEvent) + Send> Run<'_, F> {
    /// Copies the blob of a row, unless the new backend has it.
    pub(super) async fn copy(&self, row: &Row) -> Outcome {
        match self.look(row).await {
            Ok(Some(present)) => return present,
            Ok(None) => {}
            Err(error) => return judge(row, Side::To, error),
        }
        let download = match self.from.download(row.id, ByteRange::Full).await {
            Ok(download) => download,
            // Another process may have moved it between the two looks.
            Err(error) if error.kind() == BackendErrorKind::NotFound => {
                return match self.look(row).await {
                    Ok(Some(present)) => present,
                    Ok(None) => Outcome::Missing,
                    Err(error) => judge(row, Side::To, error),
                };
            }
            Err(error) => return judge(row, Side::From, error),
        };
        if download.size() != row.size {
            return Outcome::Corrupt(other_size(row, Side::From, download.size()));
        }
        if self.options.dry_run {
            return Outcome::Copied;
        }
        let copied = if row.size <= SMALL {
            self.copy_small(row, download).await
        } else {
            self.copy_streaming(row, download).await
        };
        copied.unwrap_or_else(|outcome| outcome)
    }

    /// Returns the outcome if the new backend has the blob, or another one under its id.
    async fn look(&self, row: &Row) -> artifact_backend::Result<Option<Outcome>> {
        match self.to.stat(row.id).await {
            Ok(blob) if blob.size == row.size => Ok(Some(Outcome::Present)),
            Ok(blob) => Ok(Some(Outcome::Corrupt(other_size(row, Side::To, blob.size)))),
            Err(error) if error.kind() == BackendErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn copy_small(&self, row: &Row, download: Download) -> Result<Outcome, Outcome> {
        self.take(row.size).await;
        let bytes = download.into_bytes().await;
        let bytes = bytes.map_err(|error| judge(row, Side::From, error))?;
        let hasher = Hasher::default().update(bytes.clone()).await;
        check(
            row,
            Side::From,
            hasher.map_err(Outcome::Failed)?.finish().sha256,
        )?;
        match self.to.store(row.id, bytes).await {
            Ok(()) => Ok(Outcome::Copied),
            Err(error) => Err(self.not_stored(row, error).await),
        }
    }

    async fn copy_streaming(&self, row: &Row, mut download: Download) -> Result<Outcome, Outcome> {
        let upload = self.to.upload(row.id).await;
        let mut upload = match upload {
            Ok(upload) => upload,
            Err(error) => return Err(self.not_stored(row, error).await),
        };
        upload.expect_size(row.size);
        let mut hasher = Hasher::default();
        let mut broken = None;
        while let Some(chunk) = download.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    broken = Some(judge(row, Side::From, error));
                    break;
                }
            };
            self.take(chunk.len() as u64).await;
            let written = async {
                let written = upload.write(chunk.clone()).await;
                written.map_err(|error| judge(row, Side::To, error))
            };
            let digested = async { hasher.update(chunk.clone()).await.map_err(Outcome::Failed) };
            match try_join(digested, written).await {
                Ok((next, ())) => hasher = next,
                Err(outcome) => {
                    broken = Some(outcome);
                    hasher = Hasher::default();
                    break;
                }
            }
        }
        let checked = match broken {
            Some(outcome) => Err(outcome),
            None => check(row, Side::From, hasher.finish().sha256),
        };
        if let Err(outcome) = checked {
            // The first error matters more; a sweep removes what a failed abort leaves.
            let _ = upload.abort().await;
            return Err(outcome);
        }
        match upload.commit().await {
            Ok(()) => Ok(Outcome::Copied),
            Err(error) => Err(self.not_stored(row, error).await),
        }
    }

    /// Returns the outcome of a store that failed: another process may have copied the blob at the same time.
    async fn not_stored(&self, row: &Row, error: artifact_backend::Error) -> Outcome {
        if error.kind() == BackendErrorKind::AlreadyExists
            && let Ok(Some(present)) = self.look(row).await
        {
            return present;
        }
        judge(row, Side::To, error)
    }

    /// Deletes the blob of a row from the old backend, once it was read back from the new one.
    pub(super) async fn delete(&self, row: &Row) -> Outcome {
        match self.from.stat(row.id).await {
            Err(error) if error.kind() == BackendErrorKind::NotFound => return Outcome::Absent,
            // A damaged blob is deleted, if the one in the new backend is good.
            Err(error) if error.kind() != BackendErrorKind::Corrupt => {
                return judge(row, Side::From, error);
            }
            Ok(_) | Err(_) => {}
        }
        if let Err(outcome) = self.read_back(row).await {
            return outcome;
        }
        match self.from.delete(row.id).await {
            Ok(()) => Outcome::Deleted,
            Err(error) => judge(row, Side::From, error),
        }
    }

    /// Compares the blob in the new backend with its row.
    async fn read_back(&self, row: &Row) -> Result<(), Outcome> {
        let download = self.to.download(row.id, ByteRange::Full).await;
        let mut download = download.map_err(|error| judge(row, Side::To, error))?;
        if download.size() != row.size {
            let size = download.size();
            return Err(Outcome::Corrupt(other_size(row, Side::To, size)));
        }
        let mut hasher = Hasher::default();
        while let Some(chunk) = download.next().await {
            let chunk = chunk.map_err(|error| judge(row, Side::To, error))?;
            self.take(chunk.len() as u64).await;
            hasher = hasher.update(chunk).await.map_err(Outcome::Failed)?;
        }
        check(row, Side::To, hasher.finish().sha256)
    }

    /// Waits until the bytes may be read, and counts them.
    async fn take(&self, bytes: u64) {
        self.pace.take(bytes).await;
        self.progress(0, bytes);
    }
}

/// Decides what the error of a backend says about the blob.
fn judge(row: &Row, side: Side, error: artifact_backend::Error) -> Outcome {
    let kind = error.kind();
    let error = Error::backend(Operation::CopyBlob, error)
        .with_id(row.id)
        .with_detail(side.name());
    match kind {
        BackendErrorKind::NotFound => Outcome::Missing,
        BackendErrorKind::Corrupt => Outcome::Corrupt(error),
        _ => Outcome::Failed(error),
    }
}

fn check(row: &Row, side: Side, sha256: Sha256Digest) -> Result<(), Outcome> {
    if sha256 == row.sha256 {
        return Ok(());
    }
    let detail = format!(
        "{}: its SHA-256 is {sha256}, its row says {}",
        side.name(),
        row.sha256
    );
    Err(Outcome::Corrupt(corrupt(row, detail)))
}

fn other_size(row: &Row, side: Side, bytes: u64) -> Error {
    let detail = format!(
        "{}: it has {bytes} bytes, its row says {}",
        side.name(),
        row.size
    );
    corrupt(row, detail)
}

fn corrupt(row: &Row, detail: String) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::CopyBlob)
        .with_id(row.id)
        .with_detail(detail)
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::From => "in the old backend",
            Self::To => "in the new backend",
        }
    }
}
