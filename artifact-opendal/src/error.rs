//! Maps errors of the backend, and creates refusals that say what to do.

use artifact_backend::{Error as BackendError, ErrorKind as BackendErrorKind};
use opendal_core::{Error, ErrorKind};

/// Maps an error of the backend, which becomes the source.
pub(crate) fn failed(error: BackendError) -> Error {
    let kind = match error.kind() {
        BackendErrorKind::NotFound => ErrorKind::NotFound,
        // What opendal's services return if a write with `if_not_exists` finds a file.
        BackendErrorKind::AlreadyExists => ErrorKind::ConditionNotMatch,
        BackendErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        BackendErrorKind::Misconfigured => ErrorKind::ConfigInvalid,
        BackendErrorKind::InvalidRange => ErrorKind::RangeNotSatisfied,
        BackendErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Unexpected,
    };
    let temporary = error.is_retryable();
    let mapped = Error::new(kind, error.to_string()).set_source(error);
    if temporary {
        mapped.set_temporary()
    } else {
        mapped
    }
}

/// Creates the error of a request that a backend cannot express.
pub(crate) fn refused(advice: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, advice)
}

/// Creates the error of a write to a path that is not an id.
pub(crate) fn not_an_id(path: &str) -> Error {
    refused(format!(
        "the path {path:?} is not the id of a blob: a path is 32 lower-case hexadecimal digits; write to \
         artifact_opendal::new_path() and keep your name for it in a table of your own"
    ))
}

/// Creates the error of a read of a path that is not an id, so nothing can be stored there.
pub(crate) fn cannot_exist() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "nothing can be stored under this path: a path is 32 lower-case hexadecimal digits, the id of a blob",
    )
}
