//! Creates the errors of the backend.

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation};

pub(crate) fn not_found(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::NotFound, operation).with_id(id)
}

pub(crate) fn already_exists(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::AlreadyExists, operation).with_id(id)
}

pub(crate) fn out_of_space(operation: Operation, id: ArtifactId, wanted: u64, free: u64) -> Error {
    Error::new(ErrorKind::OutOfSpace, operation)
        .with_id(id)
        .with_detail(format!(
            "{wanted} more bytes do not fit, {free} bytes are free; raise max_total_bytes or delete blobs"
        ))
}

pub(crate) fn broken_upload(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::Unexpected, operation)
        .with_id(id)
        .with_detail("an earlier write of this upload failed; abort the upload")
}
