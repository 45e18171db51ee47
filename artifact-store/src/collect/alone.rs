//! One collector at a time.

use artifact_backend::background;

use super::{CollectEvent, CollectReport, Collector};
use crate::alone::AloneTask;
use crate::error::Result;
use crate::metrics::CollectMetrics;

const TASK: AloneTask = AloneTask {
    lease: "collect",
    worker: "collector",
};

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
        let collection = self.run(observe);
        let collected = background(TASK.run(&*self.catalog, holder, collection)).await?;
        if collected.is_none() {
            CollectMetrics::forget_damage();
        }
        Ok(collected)
    }
}
