//! Forgets the keys of deposits that are no longer kept.

use super::{BATCH, CollectEvent, Run};
use crate::error::Result;

impl<F: FnMut(CollectEvent) + Send> Run<'_, F> {
    /// Each step is one transaction with up to 1,000 keys.
    pub(super) async fn forget_keys(&mut self) -> Result<()> {
        loop {
            let forgotten = self.catalog.forget_keys(BATCH).await?;
            self.report.keys += forgotten;
            if forgotten < u64::from(BATCH) {
                return Ok(());
            }
        }
    }
}
