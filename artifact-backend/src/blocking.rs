//! Runs blocking work on tokio's blocking pool.
//!
//! Product code calls [`run`] or [`detach`] and not `spawn_blocking`, so that one place decides
//! what happens when the pool cannot take the work.

use std::panic::resume_unwind;

use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

/// The blocking pool did not run the work, because the runtime is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("the async runtime is shutting down")]
pub struct BlockingPoolClosed(#[source] JoinError);

/// Runs `work` on the blocking pool and returns its result. A panic of `work` goes on in the caller.
///
/// If the future is dropped before its first poll, `work` never runs. If it is dropped later, work
/// that has begun runs to its end.
///
/// # Errors
///
/// [`BlockingPoolClosed`] if the runtime shuts down before the work begins.
///
/// # Panics
///
/// If `work` panics, or outside a tokio runtime.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingPoolClosed> {
    spawn_blocking(work)
        .await
        .map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(cancelled) => BlockingPoolClosed(cancelled),
        })
}

/// Starts `work` on the blocking pool and does not wait for it. Outside a tokio runtime, runs it on
/// the caller's thread.
pub fn detach(work: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}
