//! The removal of one artifact, and its check.

use artifact_backend::ArtifactId;

use super::ManagedStore;
use crate::catalog::Removal;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::{Principal, PrincipalClass};
use crate::row::Row;

impl ManagedStore {
    /// Removes an artifact: first its row, then its bytes.
    ///
    /// When this returns, the removal of the row is durable. From then on this store does not find the artifact, nor do
    /// other stores that [watch](Self::watch_removals) removals after at most a second. Readers that opened the artifact
    /// before get the rest of it or an error.
    ///
    /// If the bytes cannot be deleted once the row is gone, the call succeeds all the same and logs a warning; a collector
    /// deletes them later. If the rows of the store are [notes](crate::ArtifactStore::with_row_notes), it fails with `Unavailable`
    /// instead, because a note without a deletion would bring the row back to a new database. If the future is dropped, the artifact is either whole, or its row is removed, and its bytes
    /// may be left for the collector. Without a watch, this store may then find a removed row in its cache until its bytes
    /// are read, or until `remove` is called again, which then fails with `NotFound`.
    ///
    /// # Errors
    ///
    /// - `NotFound` if the artifact does not exist in this experiment, or the principal belongs to another.
    /// - `Forbidden` for all but its depositor and the administrator.
    /// - `Held` if a hold is on it.
    /// - `Sealed` if it is in a sealed [collection](crate::CollectionStore), which is deleted as a whole.
    /// - `Unavailable`, with which it is not known whether the row was removed; `OutOfSpace` and the kinds that an operator
    ///   must resolve. If the hold cannot be read, nothing is removed.
    pub async fn remove(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: ArtifactId,
    ) -> Result<()> {
        self.row_to_remove(principal, experiment, id).await?;
        self.remove_row(id).await
    }

    /// Removes an artifact without a check of rights.
    pub(crate) async fn remove_row(&self, id: ArtifactId) -> Result<()> {
        let removed = self.catalog.remove(id).await;
        // Also after an error, with which the row may be gone.
        self.store.forget(id);
        match removed? {
            Removal::Held => return Err(held(id)),
            Removal::Sealed => return Err(sealed(id)),
            Removal::Removed => self.delete_blob(id).await?,
            // Another call removed the row since it was read. It may have ended before it deleted the bytes.
            Removal::Absent => {
                self.delete_blob(id).await?;
                return Err(fail(ErrorKind::NotFound, id));
            }
        }
        Ok(())
    }

    /// Checks what [`remove`](Self::remove) would do now, without removing anything. Returns the row that would be
    /// removed.
    ///
    /// A hold that is placed later, or another removal, can still prevent the removal.
    ///
    /// # Examples
    ///
    /// ```
    /// # use artifact_store::{ArtifactStore, Backend, Database, Experiment, NewArtifact, StoreConfig, Timestamp};
    /// use artifact_store::{ErrorKind, ManagedStore, Principal, WorkerId};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> artifact_store::Result<()> {
    /// # let (database, backend) = (Database::from_url("mem:").await?, Backend::from_url("mem:").await?);
    /// # let home: artifact_store::ExperimentId = "trial-7".parse().expect("a valid id");
    /// # database.catalog.create_experiment(&Experiment::new(home.clone(), Timestamp::now())).await?;
    /// # let store = ArtifactStore::new(backend.backend(), database.catalog, StoreConfig::default());
    /// # let managed = ManagedStore::new(store.clone(), database.inventory, backend.inventory());
    /// # let worker = Principal::worker(WorkerId::mint(), home.clone());
    /// # let mut deposit = store.deposit(NewArtifact::new(home.clone(), &worker));
    /// # deposit.write("some bytes".into()).await?;
    /// # let row = deposit.finish().await?;
    /// assert_eq!(managed.check_removal(&worker, &home, row.id).await?.size, 10);
    ///
    /// let stranger = Principal::worker(WorkerId::mint(), home.clone());
    /// let error = managed.check_removal(&stranger, &home, row.id).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Forbidden);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those with which [`remove`](Self::remove) would fail, in the same order. `Corrupt` if the hold cannot be read.
    pub async fn check_removal(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: ArtifactId,
    ) -> Result<Row> {
        let row = self.row_to_remove(principal, experiment, id).await?;
        if self.catalog.find_hold(id).await?.is_some() {
            return Err(held(id));
        }
        if self.catalog.is_sealed(id).await? {
            return Err(sealed(id));
        }
        Ok(row)
    }

    /// Reads the row of an artifact, and checks that the principal may remove it.
    async fn row_to_remove(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: ArtifactId,
    ) -> Result<Row> {
        let row = self
            .stored_row(Operation::DeleteRow, principal, experiment, id)
            .await?;
        let is_admin = principal.class() == PrincipalClass::Admin;
        if is_admin || principal.has_id(&row.created_by) {
            return Ok(row);
        }
        Err(fail(ErrorKind::Forbidden, id)
            .with_detail("only its depositor and the administrator may remove it"))
    }

    /// Deletes the blob of a removed row. If the row is also a note of the blob, the removal counts only then.
    async fn delete_blob(&self, id: ArtifactId) -> Result<()> {
        if let Err(error) = self.backend.delete(id).await {
            if self.store.shared().row_notes.get().is_some() {
                return Err(fail(ErrorKind::Unavailable, id)
                    .with_detail(
                        "the row is removed, but its bytes are not deleted yet, so a database that is made from the notes of the \
                         backend would have it again; a collector deletes them later",
                    )
                    .with_source(error));
            }
            tracing::warn!(
                %id,
                error = &error as &dyn std::error::Error,
                "the bytes of a removed artifact could not be deleted; a collector deletes them later"
            );
        }
        Ok(())
    }
}

fn fail(kind: ErrorKind, id: ArtifactId) -> Error {
    Error::new(kind, Operation::DeleteRow).with_id(id)
}

fn sealed(id: ArtifactId) -> Error {
    fail(ErrorKind::Sealed, id)
        .with_detail("the artifact is in a sealed collection; delete the collection as a whole")
}

fn held(id: ArtifactId) -> Error {
    fail(ErrorKind::Held, id).with_detail("the administrator can release the hold on it")
}
