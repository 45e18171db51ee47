//! Removes expired artifacts: first the row, then the blob.

use artifact_backend::{ArtifactId, ArtifactInventory};
use futures_util::{StreamExt as _, stream};

use super::{BATCH, CollectEvent, PARALLEL, Run, backend_error};
use crate::catalog::{CatalogInventory, ExpiryPosition, Removal};
use crate::error::Result;
use crate::pace::Pace;

impl<F: FnMut(CollectEvent) + Send> Run<'_, F> {
    pub(super) async fn remove_expired(&mut self) -> Result<()> {
        let mut after = ExpiryPosition::START;
        loop {
            let page = self.catalog.expired(&after, BATCH).await?;
            if self.options.dry_run {
                for id in page.ids {
                    self.expired(id);
                }
            } else {
                self.remove_page(page.ids).await;
            }
            let Some(next) = page.next else {
                return Ok(());
            };
            after = next;
        }
    }

    async fn remove_page(&mut self, ids: Vec<ArtifactId>) {
        let (catalog, backend, pace) = (self.catalog, self.backend, self.pace);
        let removals = ids.into_iter().map(|id| remove(catalog, backend, pace, id));
        let mut removals = stream::iter(removals).buffer_unordered(PARALLEL);
        while let Some((id, removal, deleted)) = removals.next().await {
            match removal {
                Ok(Some(Removal::Removed)) => self.expired(id),
                Ok(Some(Removal::Held)) => self.report.held += 1,
                // Removed by another collector, or not expired any more.
                Ok(_) => {}
                Err(error) => self.failed(id, error),
            }
            if let Err(error) = deleted {
                self.failed(id, error);
            }
        }
    }

    fn expired(&mut self, id: ArtifactId) {
        self.report.expired += 1;
        (self.observe)(CollectEvent::Expired { id });
    }
}

/// Removes the row, and then the blob if the id never gets a row again.
async fn remove(
    catalog: &dyn CatalogInventory,
    backend: &dyn ArtifactInventory,
    pace: &Pace,
    id: ArtifactId,
) -> (ArtifactId, Result<Option<Removal>>, Result<()>) {
    pace.take(1).await;
    let removal = catalog.remove_expired(id).await;
    let deleted = match removal {
        Ok(Some(Removal::Removed | Removal::Absent)) => {
            backend.delete(id).await.map_err(backend_error)
        }
        _ => Ok(()),
    };
    (id, removal, deleted)
}
