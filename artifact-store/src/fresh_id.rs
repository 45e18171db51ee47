//! Stores bytes under a fresh artifact id.

use artifact_backend::{ArtifactId, ErrorKind as BackendErrorKind};

use crate::error::{Error, ErrorKind, Operation, Result};

/// How many ids are tried. Ids do not collide by chance, so this limit is for unknown outcomes.
const MAX_ATTEMPTS: usize = 3;

/// Calls `store` with a fresh id.
///
/// Tries another id if that one is taken, or if it is unknown whether the bytes were stored under it
/// (they are then an orphan).
pub(crate) async fn with_fresh_id<T, F>(
    mut store: impl FnMut(ArtifactId) -> F,
) -> Result<(ArtifactId, T)>
where
    F: Future<Output = artifact_backend::Result<T>>,
{
    let mut attempt = 1;
    loop {
        let id = ArtifactId::mint();
        match store(id).await {
            Ok(stored) => return Ok((id, stored)),
            Err(error) if attempt < MAX_ATTEMPTS && is_retried(error.kind()) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "retrying the deposit under another artifact id"
                );
                attempt += 1;
            }
            Err(error) => return Err(deposit_error(id, error)),
        }
    }
}

fn is_retried(kind: BackendErrorKind) -> bool {
    matches!(
        kind,
        BackendErrorKind::AlreadyExists | BackendErrorKind::Ambiguous
    )
}

/// Returns the error of a deposit for the backend's error under a fresh id.
///
/// A taken id becomes `Unavailable`: the depositor did not choose it, and a retry gets another one.
pub(crate) fn deposit_error(id: ArtifactId, error: artifact_backend::Error) -> Error {
    let error = Error::backend(Operation::Deposit, error).with_id(id);
    match error.kind() {
        ErrorKind::AlreadyExists => error.with_kind(ErrorKind::Unavailable),
        // A deposit asks for nothing that could be absent or out of range.
        ErrorKind::NotFound | ErrorKind::InvalidRange => error.with_kind(ErrorKind::Unexpected),
        _ => error,
    }
}
