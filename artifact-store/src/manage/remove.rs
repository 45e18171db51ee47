//! The removal of one artifact.

use artifact_backend::ArtifactId;

use super::ManagedStore;
use crate::catalog::Removal;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::{Principal, PrincipalClass};

impl ManagedStore {
    /// Removes an artifact: first its row, then its bytes.
    ///
    /// When this returns, the removal of the row is durable. From then on this store does not find the artifact, nor do
    /// other stores that [watch](Self::watch_removals) removals after at most a second. Readers that opened the artifact
    /// before get the rest of it or an error.
    ///
    /// If the bytes cannot be deleted once the row is gone, the call succeeds all the same and logs a warning; a collector
    /// deletes them later. If the future is dropped, the artifact is either whole, or its row is removed, and its bytes
    /// may be left for the collector. Without a watch, this store may then find a removed row in its cache until its bytes
    /// are read, or until `remove` is called again, which then fails with `NotFound`.
    ///
    /// # Errors
    ///
    /// - `NotFound` if the artifact does not exist in this experiment, or the principal belongs to another.
    /// - `Forbidden` for all but its depositor and the administrator.
    /// - `Held` if a hold is on it.
    /// - `Unavailable`, with which it is not known whether the row was removed; `OutOfSpace` and the kinds that an operator
    ///   must resolve. If the hold cannot be read, nothing is removed.
    pub async fn remove(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: ArtifactId,
    ) -> Result<()> {
        let fail = |kind| Error::new(kind, Operation::DeleteRow).with_id(id);
        let row = self
            .stored_row(Operation::DeleteRow, principal, experiment, id)
            .await?;
        let is_admin = principal.class() == PrincipalClass::Admin;
        if !is_admin && !principal.has_id(&row.created_by) {
            return Err(fail(ErrorKind::Forbidden)
                .with_detail("only its depositor and the administrator may remove it"));
        }
        let removed = self.catalog.remove(id).await;
        // Also after an error, with which the row may be gone.
        self.store.forget(id);
        match removed? {
            Removal::Held => {
                return Err(fail(ErrorKind::Held)
                    .with_detail("the administrator can release the hold on it"));
            }
            Removal::Removed => self.delete_blob(id).await,
            // Another call removed the row since it was read. It may have ended before it deleted the bytes.
            Removal::Absent => {
                self.delete_blob(id).await;
                return Err(fail(ErrorKind::NotFound));
            }
        }
        Ok(())
    }

    /// Deletes the blob of a removed row.
    async fn delete_blob(&self, id: ArtifactId) {
        if let Err(error) = self.backend.delete(id).await {
            tracing::warn!(
                %id,
                error = &error as &dyn std::error::Error,
                "the bytes of a removed artifact could not be deleted; a collector deletes them later"
            );
        }
    }
}
