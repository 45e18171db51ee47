//! Stores bytes under a fresh artifact id.

use artifact_backend::{ArtifactId, ErrorKind as BackendErrorKind};

use crate::error::{Error, ErrorKind, Operation, Result};

/// How many ids are tried. Ids do not collide by chance, so this limit is for unknown outcomes.
const MAX_ATTEMPTS: usize = 3;

/// Calls `store` with a fresh id.
///
/// Tries another id if that one is taken, or if it is unknown whether the bytes were stored under it
/// (they are then an orphan). Tries none after a call that has used up its time: the deadline of a
/// deposit is the deadline of one call, whatever the number of ids.
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
            Err(error) if attempt < MAX_ATTEMPTS && is_retried(&error) => {
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

fn is_retried(error: &artifact_backend::Error) -> bool {
    let another_id_helps = matches!(
        error.kind(),
        BackendErrorKind::AlreadyExists | BackendErrorKind::Ambiguous
    );
    another_id_helps && !error.has_timed_out()
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use artifact_backend::{Error, ErrorKind, Operation};

    use super::with_fresh_id;

    /// Returns how many ids are tried if each call fails like this.
    async fn tried(fail: impl Fn() -> Error + Send + Sync) -> usize {
        let tried = AtomicUsize::new(0);
        let outcome = with_fresh_id(|_| {
            tried.fetch_add(1, Ordering::Relaxed);
            let error = fail();
            async move { Err::<(), _>(error) }
        });
        outcome.await.unwrap_err();
        tried.into_inner()
    }

    #[tokio::test]
    async fn no_other_id_is_tried_after_a_call_that_used_up_its_time() {
        for kind in [ErrorKind::Ambiguous, ErrorKind::AlreadyExists] {
            let error = || Error::new(kind, Operation::Store);
            assert_eq!(tried(error).await, 3, "{kind}");
            assert_eq!(tried(|| error().with_timed_out()).await, 1, "{kind}");
        }
        let unavailable = || Error::new(ErrorKind::Unavailable, Operation::Store);
        assert_eq!(tried(unavailable).await, 1);
    }
}
