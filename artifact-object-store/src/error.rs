//! Maps errors of the backend, and creates refusals that say what to do.

use artifact_backend::{Error as BackendError, ErrorKind};
use object_store::Error;
use object_store::path::Path;

/// The name of this store in errors.
pub(crate) const STORE: &str = "ArtifactObjectStore";

/// Maps an error of the backend, which becomes the source.
pub(crate) fn failed(path: &Path, error: BackendError) -> Error {
    let (path, kind, source) = (path.to_string(), error.kind(), Box::new(error));
    match kind {
        ErrorKind::NotFound => Error::NotFound { path, source },
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        ErrorKind::PermissionDenied => Error::PermissionDenied { path, source },
        ErrorKind::Unsupported => Error::NotSupported { source },
        _ => Error::Generic {
            store: STORE,
            source,
        },
    }
}

pub(crate) fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic {
        store: STORE,
        source: source.into(),
    }
}

/// Creates the error of a request that a backend cannot express.
pub(crate) fn refused(reason: impl Into<String>) -> Error {
    Error::NotSupported {
        source: reason.into().into(),
    }
}

/// Creates the error of a store under a path that is not an id.
pub(crate) fn not_an_id(path: &Path) -> Error {
    refused(format!(
        "the path {path:?} is not the id of a blob: a path is 32 lower-case hexadecimal digits; store under \
         artifact_object_store::new_path() and keep your name for it in a table of your own",
        path = path.as_ref()
    ))
}

/// Creates the error of a read or delete of a path that is not an id, so nothing can be stored there.
pub(crate) fn cannot_exist(path: &Path) -> Error {
    Error::NotFound {
        path: path.to_string(),
        source: "nothing can be stored under this path: a path is 32 lower-case hexadecimal digits, the id of a \
                 blob"
            .into(),
    }
}
