//! Stores the blobs of an import under the ids that they have in the archive.

use artifact_backend::{ArtifactId, ArtifactInventory, ByteRange, ErrorKind as BackendErrorKind};
use bytes::Bytes;
use futures_util::future::try_join;
use tokio::io::AsyncRead;

use super::meter::Meter;
use super::reader::ArchiveReader;
use super::report::ImportEvent;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::Hasher;
use crate::row::Row;

/// How a blob came to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// It was stored now.
    New,
    /// It was there before, with the same bytes.
    Before,
}

/// Stores a blob whose bytes have the digest of the row. A blob that is there already must have the same bytes.
pub(super) async fn store(
    backend: &dyn ArtifactInventory,
    row: Row,
    bytes: Bytes,
    may_exist: bool,
) -> Result<Stored> {
    if may_exist && exists(backend, row.id).await? {
        return compare(backend, &row).await;
    }
    match backend.store(row.id, bytes).await {
        Ok(()) => Ok(Stored::New),
        Err(error) => settle(backend, &row, error).await,
    }
}

/// Stores the blob that the reader is at, chunk by chunk.
pub(super) async fn upload<R: AsyncRead + Unpin + Send, F: FnMut(ImportEvent) + Send>(
    backend: &dyn ArtifactInventory,
    row: &Row,
    may_exist: bool,
    reader: &mut ArchiveReader<R>,
    meter: &mut Meter<F>,
) -> Result<Stored> {
    let begun = if may_exist && exists(backend, row.id).await? {
        None
    } else {
        match backend.upload(row.id).await {
            Ok(mut upload) => {
                upload.expect_size(row.size);
                Some(upload)
            }
            Err(error) if error.kind() == BackendErrorKind::AlreadyExists => None,
            Err(error) => return Err(failed(row.id, error)),
        }
    };
    let Some(mut upload) = begun else {
        while let Some(chunk) = reader.chunk().await? {
            meter.count(chunk.len()).await;
        }
        return compare(backend, row).await;
    };
    let mut next = reader.chunk().await?;
    while let Some(chunk) = next {
        meter.count(chunk.len()).await;
        // The next chunk is read and hashed while this one is written. The end of the blob is an error if the digest
        // differs, so nothing is committed then.
        let writing = async {
            let written = upload.write(chunk).await;
            written.map_err(|error| failed(row.id, error))
        };
        match try_join(writing, reader.chunk()).await {
            Ok(((), read)) => next = read,
            Err(error) => {
                // The first error matters more; a failed abort leaves a leftover for the collector.
                let _ = upload.abort().await;
                return Err(error);
            }
        }
    }
    match upload.commit().await {
        Ok(()) => Ok(Stored::New),
        Err(error) => settle(backend, row, error).await,
    }
}

/// Decides about a store that did not succeed.
async fn settle(
    backend: &dyn ArtifactInventory,
    row: &Row,
    error: artifact_backend::Error,
) -> Result<Stored> {
    match error.kind() {
        BackendErrorKind::AlreadyExists => compare(backend, row).await,
        // The blob may be there, but nothing has said that it is durable.
        _ => Err(failed(row.id, error)),
    }
}

async fn exists(backend: &dyn ArtifactInventory, id: ArtifactId) -> Result<bool> {
    match backend.stat(id).await {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            BackendErrorKind::NotFound => Ok(false),
            // The comparison says what is wrong.
            BackendErrorKind::Corrupt => Ok(true),
            _ => Err(failed(id, error)),
        },
    }
}

/// Checks that the stored blob is the one of the row.
async fn compare(backend: &dyn ArtifactInventory, row: &Row) -> Result<Stored> {
    let download = backend.download(row.id, ByteRange::Full).await;
    let mut download = download.map_err(|error| failed(row.id, error))?;
    let mut hasher = Hasher::default();
    let is_size = download.size() == row.size;
    while is_size && let Some(chunk) = download.next().await {
        let chunk = chunk.map_err(|error| failed(row.id, error))?;
        hasher = hasher.update(chunk).await?;
    }
    if is_size && hasher.finish().sha256 == row.sha256 {
        return Ok(Stored::Before);
    }
    Err(Error::new(ErrorKind::Corrupt, Operation::Import)
        .with_id(row.id)
        .with_detail(
            "the storage has other bytes under this id; `artifact scrub` says whether they are damaged",
        ))
}

fn failed(id: ArtifactId, error: artifact_backend::Error) -> Error {
    let error = Error::backend(Operation::Import, error).with_id(id);
    match error.kind() {
        // It was there a moment ago, so something removes blobs at this moment.
        ErrorKind::NotFound => error.with_kind(ErrorKind::Unavailable),
        _ => error,
    }
}
