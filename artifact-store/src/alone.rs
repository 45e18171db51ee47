//! A task that one process at a time does, by a lease in the database.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep};

use crate::catalog::CatalogInventory;
use crate::error::{Error, ErrorKind, Operation, Result};

/// How long the lease of a process that was killed keeps others waiting.
const PERIOD: Duration = Duration::from_mins(2);
/// How often a running task prolongs its lease.
const PROLONG: Duration = Duration::from_secs(30);

/// A task with a lease of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AloneTask {
    /// The name of the lease.
    pub(crate) lease: &'static str,
    /// Who does the task, in messages.
    pub(crate) worker: &'static str,
}

impl AloneTask {
    /// Runs work while `holder` has the lease. Returns `None`, and does not begin the work, if another holder has it.
    ///
    /// The lease is prolonged while the work runs, and given back at its end. A dropped future or a kill leaves the
    /// lease for up to two minutes.
    ///
    /// # Errors
    ///
    /// If the lease cannot be taken; the work was not begun then. `Unavailable` if it was lost: the work was dropped
    /// midway.
    pub(crate) async fn run<T>(
        self,
        catalog: &dyn CatalogInventory,
        holder: [u8; 16],
        work: impl Future<Output = T>,
    ) -> Result<Option<T>> {
        if !catalog.take_lease(self.lease, holder, PERIOD).await? {
            return Ok(None);
        }
        let (work, prolong) = (pin!(work), pin!(self.prolong(catalog, holder)));
        let done = match select(work, prolong).await {
            Either::Left((value, _)) => Ok(Some(value)),
            Either::Right((lost, _)) => Err(lost),
        };
        if let Err(error) = catalog.take_lease(self.lease, holder, Duration::ZERO).await {
            tracing::warn!(
                lease = self.lease,
                error = &error as &dyn std::error::Error,
                "cannot give back the lease of a maintenance task; it ends by itself within two minutes"
            );
        }
        done
    }

    /// Prolongs the lease until it is lost. Returns why.
    async fn prolong(self, catalog: &dyn CatalogInventory, holder: [u8; 16]) -> Error {
        let mut until = Instant::now() + PERIOD;
        loop {
            sleep(PROLONG).await;
            let asked = Instant::now();
            match catalog.take_lease(self.lease, holder, PERIOD).await {
                Ok(true) => until = asked + PERIOD,
                Ok(false) => {
                    let detail = format!(
                        "another {} took the lease; this one has stopped",
                        self.worker
                    );
                    return Error::new(ErrorKind::Unavailable, Operation::Lease)
                        .with_detail(detail);
                }
                // The lease is still held; the next attempt may succeed.
                Err(_) if Instant::now() + PROLONG < until => {}
                Err(error) => return error,
            }
        }
    }
}
