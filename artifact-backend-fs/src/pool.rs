//! A bounded part of the runtime's blocking pool.

use std::sync::Arc;

use artifact_backend::metrics::{Level, PoolMetrics};
use artifact_backend::{Error, ErrorKind, Operation, Result, blocking, is_background};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A permit to run in the pool, or on the caller's thread on behalf of the pool.
#[derive(Debug)]
#[must_use = "dropping the permit returns it to the pool"]
pub(crate) struct PoolPermit {
    _permit: OwnedSemaphorePermit,
    /// `None` in the background lane.
    _in_use: Option<Level>,
}

/// How many operations of the background lane run at the same time, beside the others. The second one works while the
/// first one waits for the disk.
const BACKGROUND: usize = 2;

/// A bounded part of the runtime's blocking pool.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    /// For the [background lane](artifact_backend::background()), so that it takes no permit from a request.
    background: Arc<Semaphore>,
    /// Of the requests, without the background lane.
    metrics: PoolMetrics,
}

impl Pool {
    /// Creates a pool with a name for its metrics.
    pub(crate) fn new(name: &'static str, limit: usize) -> Self {
        let permits = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            background: Arc::new(Semaphore::new(BACKGROUND)),
            metrics: PoolMetrics::new("fs", name, permits),
        }
    }

    /// Waits for a permit.
    pub(crate) async fn acquire(&self) -> PoolPermit {
        const OPEN: &str = "the semaphore is never closed";
        if is_background() {
            let permit = Arc::clone(&self.background).acquire_owned().await;
            return PoolPermit {
                _permit: permit.expect(OPEN),
                _in_use: None,
            };
        }
        let permit = if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            permit
        } else {
            let _waiting = self.metrics.waiting();
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            permit.expect(OPEN)
        };
        PoolPermit {
            _permit: permit,
            _in_use: Some(self.metrics.in_use()),
        }
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
        let permit = self.acquire().await;
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use artifact_backend::background;

    use super::*;

    fn is_waiting(future: impl Future<Output = PoolPermit>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(future).poll(&mut context).is_pending()
    }

    #[tokio::test]
    async fn maintenance_and_requests_do_not_wait_for_each_other() {
        let pool = Pool::new("reads", 3);
        let first = background(pool.acquire()).await;
        let _second = background(pool.acquire()).await;
        assert!(is_waiting(background(pool.acquire())), "the lane is narrow");
        let mut requests = Vec::new();
        for _ in 0..3 {
            requests.push(pool.acquire().await);
        }
        assert!(is_waiting(pool.acquire()));
        drop(first);
        assert!(is_waiting(pool.acquire()));
        drop(background(pool.acquire()).await);
        requests.pop();
        drop(pool.acquire().await);
    }
}
