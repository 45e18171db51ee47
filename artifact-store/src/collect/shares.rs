//! Deletes grants and links that have ended.

use super::{BATCH, CollectEvent, Run};
use crate::error::Result;
use crate::sharing::SharingRecord;

impl<F: FnMut(CollectEvent) + Send> Run<'_, F> {
    /// Each step is one transaction with up to 1,000 grants and 1,000 links.
    pub(super) async fn forget_shares(&mut self, records: &dyn SharingRecord) -> Result<()> {
        loop {
            let forgotten = records.forget_shares(BATCH).await?;
            self.report.shares += forgotten;
            if forgotten < u64::from(BATCH) {
                return Ok(());
            }
        }
    }
}
