//! One collector at a time, by a lease in the database.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep};

use super::{CollectEvent, CollectReport, Collector};
use crate::error::{Error, ErrorKind, Operation, Result};

/// The name of the lease.
const NAME: &str = "collect";
/// How long the lease of a collector that was killed keeps others waiting.
const PERIOD: Duration = Duration::from_mins(2);
/// How often a running collector prolongs its lease.
const PROLONG: Duration = Duration::from_secs(30);

impl Collector {
    /// Collects once, unless another `run_alone` on this database does. Returns `None` then. `holder` is a random number
    /// that stands for this process.
    ///
    /// The lease is prolonged while the collection runs, and given back at its end. A dropped future or a kill leaves the
    /// lease for up to two minutes. Needs a Tokio runtime with a timer.
    ///
    /// # Errors
    ///
    /// If the lease cannot be taken, and nothing was done then. `Unavailable` if it was lost: the collection was stopped
    /// midway, as by a dropped future.
    pub async fn run_alone(
        &self,
        holder: [u8; 16],
        observe: impl FnMut(CollectEvent) + Send,
    ) -> Result<Option<CollectReport>> {
        if !self.catalog.take_lease(NAME, holder, PERIOD).await? {
            return Ok(None);
        }
        let (run, prolong) = (pin!(self.run(observe)), pin!(self.prolong(holder)));
        let done = match select(run, prolong).await {
            Either::Left((report, _)) => Ok(Some(report)),
            Either::Right((lost, _)) => Err(lost),
        };
        if let Err(error) = self.catalog.take_lease(NAME, holder, Duration::ZERO).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot give back the lease of the collector; it ends by itself within two minutes"
            );
        }
        done
    }

    /// Prolongs the lease until it is lost. Returns why.
    async fn prolong(&self, holder: [u8; 16]) -> Error {
        let mut until = Instant::now() + PERIOD;
        loop {
            sleep(PROLONG).await;
            let asked = Instant::now();
            match self.catalog.take_lease(NAME, holder, PERIOD).await {
                Ok(true) => until = asked + PERIOD,
                Ok(false) => {
                    return Error::new(ErrorKind::Unavailable, Operation::Lease)
                        .with_detail("another collector took the lease; this one has stopped");
                }
                // The lease is still held; the next attempt may succeed.
                Err(_) if Instant::now() + PROLONG < until => {}
                Err(error) => return error,
            }
        }
    }
}
