//! A bounded part of the runtime's blocking pool, for reads that wait for the disk.

use std::sync::Arc;

use artifact_backend::{Error, ErrorKind, Operation, Result, blocking, is_background};
use tokio::sync::Semaphore;

/// How many operations of the background lane run at the same time, beside the others.
const BACKGROUND: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    /// For the [background lane](artifact_backend::background()), so that it takes no permit from a request.
    background: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))),
            background: Arc::new(Semaphore::new(BACKGROUND)),
        }
    }

    /// Waits for a permit, then runs `work` on the blocking pool.
    ///
    /// If the future is dropped while it waits, `work` never runs. If it is dropped later, `work` runs to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permits = if is_background() {
            &self.background
        } else {
            &self.permits
        };
        let permit = Arc::clone(permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
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
