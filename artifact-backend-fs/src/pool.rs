//! One hop to the blocking pool an operation, and a bound on how many are there at once.

use std::sync::Arc;

use artifact_backend::{Error, ErrorKind, Operation, Result, blocking};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place in the pool, whether on its threads or on the caller's.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub(crate) struct Place(OwnedSemaphorePermit);

/// A bounded part of the runtime's blocking pool.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Semaphore>);

impl Pool {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            most.clamp(1, Semaphore::MAX_PERMITS),
        )))
    }

    /// A place, once there is room.
    pub(crate) async fn place(&self) -> Place {
        let place = Arc::clone(&self.0).acquire_owned().await;
        Place(place.expect("the semaphore is never closed"))
    }

    /// Runs `work` in the blocking pool once there is room. Dropped before that, it never runs;
    /// dropped later, it runs to its end all the same, and keeps its place as long.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Place(place) = self.place().await;
        let done = blocking::run(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, operation)
                .with_detail("the blocking pool did not run the work")
                .with_source(error)
        })?
    }
}
