//! A bounded part of the runtime's blocking pool, for reads that wait for the disk.

use std::sync::Arc;

use artifact_backend::metrics::PoolMetrics;
use artifact_backend::{Error, ErrorKind, Operation, Result, blocking, is_background};
use tokio::sync::Semaphore;

/// How many operations of the background lane run at the same time, beside the others.
const BACKGROUND: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    /// For the [background lane](artifact_backend::background()), so that it takes no permit from a request.
    background: Arc<Semaphore>,
    /// Of the requests, without the background lane.
    metrics: PoolMetrics,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        let permits = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            background: Arc::new(Semaphore::new(BACKGROUND)),
            metrics: PoolMetrics::new("pack", "reads", permits),
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
        const OPEN: &str = "the semaphore is never closed";
        let (permit, in_use) = if is_background() {
            let permit = Arc::clone(&self.background).acquire_owned().await;
            (permit.expect(OPEN), None)
        } else if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            (permit, Some(self.metrics.in_use()))
        } else {
            let waiting = self.metrics.waiting();
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            drop(waiting);
            (permit.expect(OPEN), Some(self.metrics.in_use()))
        };
        let running = blocking::run(move || {
            let result = work();
            drop((permit, in_use));
            result
        });
        running.await.map_err(|closed| {
            Error::new(ErrorKind::Unavailable, operation)
                .with_detail("the blocking pool did not run the work")
                .with_source(closed)
        })?
    }
}
