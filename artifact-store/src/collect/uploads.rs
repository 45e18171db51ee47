//! Removes upload sessions that are over, and the parts of complete ones.

use super::{BATCH, CollectEvent, Run};
use crate::error::Result;
use crate::uploads::clean;

impl<F: FnMut(CollectEvent) + Send> Run<'_, F> {
    pub(super) async fn remove_uploads(&mut self) -> Result<()> {
        loop {
            let ended = self.catalog.ended_uploads(BATCH).await?;
            let is_last = ended.len() < BATCH as usize;
            for id in ended {
                self.pace.take(1).await;
                if clean(self.catalog, self.backend, id).await? {
                    self.report.uploads += 1;
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
