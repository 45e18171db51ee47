//! A bounded part of the runtime's blocking pool.

use std::sync::Arc;

use artifact_backend::{Error, ErrorKind, Operation, Result, blocking};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A permit to run in the pool, or on the caller's thread on behalf of the pool.
#[derive(Debug)]
#[must_use = "dropping the permit returns it to the pool"]
pub(crate) struct PoolPermit(OwnedSemaphorePermit);

/// A bounded part of the runtime's blocking pool.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Semaphore>);

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        let permits = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }

    /// Waits for a permit.
    pub(crate) async fn acquire(&self) -> PoolPermit {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        PoolPermit(permit.expect("the semaphore is never closed"))
    }

    /// Waits for a permit, then runs `work` on the blocking pool.
    ///
    /// If the future is dropped while it waits, `work` never runs. If it is dropped later, `work`
    /// runs to its end and keeps its permit until then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let PoolPermit(permit) = self.acquire().await;
        let running = blocking::run(move || {
            let result = work();
            drop(permit);
            result
        });
        running.await.map_err(|closed| {
            Error::new(ErrorKind::Unavailable, operation)
                .with_detail("the blocking pool did not run the work")
                .with_source(closed)
        })?
    }
}
