//! Creates the errors of the layer.

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation};

fn corrupt(operation: Operation, id: ArtifactId, detail: String) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_id(id)
        .with_detail(detail)
}

pub(crate) fn wrong_length(operation: Operation, id: ArtifactId, stored: u64) -> Error {
    let detail = format!(
        "no encrypted blob has {stored} stored bytes: it was cut or extended, or it was stored without encryption; \
         restore it from a backup"
    );
    corrupt(operation, id, detail)
}

pub(crate) fn no_key(operation: Operation, id: ArtifactId) -> Error {
    let detail = "no key opens it: it was changed or belongs to another id, or its key is missing; add the key \
                  for reading, or restore the blob from a backup";
    corrupt(operation, id, detail.into())
}

pub(crate) fn forged(operation: Operation, id: ArtifactId, number: u64) -> Error {
    let detail = format!(
        "chunk {number} is not the one that was stored at its place; restore the blob from a backup"
    );
    corrupt(operation, id, detail)
}

pub(crate) fn changed_while_read(operation: Operation, id: ArtifactId) -> Error {
    corrupt(
        operation,
        id,
        "its stored bytes changed while it was read".into(),
    )
}

pub(crate) fn too_large(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::TooLarge, operation)
        .with_id(id)
        .with_detail("an encrypted blob has less than 4 PiB")
}

pub(crate) fn broken_upload(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::Unexpected, operation)
        .with_id(id)
        .with_detail("an earlier write of this upload failed; abort the upload")
}
