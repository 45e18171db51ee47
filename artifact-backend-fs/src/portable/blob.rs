//! Opens and inspects blobs, and rejects everything else under a blob's name.

use std::fs::{File, Metadata};
use std::io;
use std::time::SystemTime;

use artifact_backend::{ArtifactId, BlobStat, Error, ErrorKind, Operation, Result};

use super::error::failed;
use super::files::{self, Found};
use super::root::Root;
use crate::error::corrupt;

/// Opens a blob and returns its size.
pub(super) fn open(root: &Root, operation: Operation, id: ArtifactId) -> Result<(File, u64)> {
    root.check_for(operation, id)?;
    match files::open(&root.blob(id)) {
        Ok(Found::File(file, metadata)) => Ok((file, metadata.len())),
        Ok(Found::Foreign) => Err(foreign(operation, id)),
        Err(error) => Err(not_opened(root, operation, id, error)),
    }
}

/// Inspects a blob without reading it.
pub(super) fn stat(root: &Root, operation: Operation, id: ArtifactId) -> Result<BlobStat> {
    root.check_for(operation, id)?;
    match files::inspect(&root.blob(id)) {
        Ok(found) if found.is_file() => Ok(BlobStat::new(id, found.len(), modified(&found))),
        Ok(_) => Err(foreign(operation, id)),
        Err(error) => Err(not_opened(root, operation, id, error)),
    }
}

/// Returns when a file was last written to, or the epoch if the system does not know.
pub(super) fn modified(metadata: &Metadata) -> SystemTime {
    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn foreign(operation: Operation, id: ArtifactId) -> Error {
    corrupt(operation, id, "the blob's name is not a regular file")
}

fn not_opened(root: &Root, operation: Operation, id: ArtifactId, error: io::Error) -> Error {
    match error.kind() {
        // A removed folder is empty, which says nothing about the blob.
        io::ErrorKind::NotFound => match root.check_for(operation, id) {
            Ok(()) => Error::new(ErrorKind::NotFound, operation).with_id(id),
            Err(lost) => lost,
        },
        io::ErrorKind::NotADirectory => {
            corrupt(operation, id, "the folder of the blob is not a folder")
        }
        _ => failed(operation, Some(id), "open the blob", error),
    }
}
