//! Creates the errors that do not come from the operating system.

use std::borrow::Cow;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation};

/// Creates the error of a root that cannot be used.
pub(crate) fn misconfigured(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Open).with_detail(detail)
}

/// Creates the error of a file that has a blob's name but is not a valid blob.
pub(crate) fn corrupt(operation: Operation, id: ArtifactId, detail: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_id(id)
        .with_detail(detail)
}

/// Creates the error of a root with the file `failed-sync`.
pub(crate) fn sync_failed_earlier() -> Error {
    misconfigured(
        "a sync of this root failed earlier, so it is not known which of the latest blobs are on the disk; \
         check the disk, unmount it, repair it with fsck, mount it again, and then remove the file failed-sync \
         from the root",
    )
}
