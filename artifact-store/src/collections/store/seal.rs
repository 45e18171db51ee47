//! The seal of a collection, and its manifest.

use std::sync::Arc;

use super::CollectionStore;
use super::rights::fail;
use crate::collections::collection::Collection;
use crate::collections::id::CollectionId;
use crate::collections::manifest::ManifestReader;
use crate::error::{ErrorKind, Result};
use crate::experiment::ExperimentId;
use crate::principal::Principal;

impl CollectionStore {
    /// Seals a collection: no name is given in it any more, and no single file of it is removed but by expiry. When this
    /// returns, that is durable. One that is sealed stays as it is.
    ///
    /// # Errors
    ///
    /// `NotFound` and `Forbidden` as [`deposit`](Self::deposit); `Sealed` if it is being deleted; `Unavailable`, `OutOfSpace` and the
    /// kinds that an operator must resolve.
    pub async fn seal(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        self.writable(principal, experiment, id).await?;
        self.catalog.seal_collection(id, self.now()?).await?;
        self.stored(principal, experiment, id).await
    }

    /// Begins to read the manifest of a sealed collection.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); `NotFound` also if the collection is not sealed.
    pub async fn manifest(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<ManifestReader> {
        let collection = self.get(principal, experiment, id).await?;
        if collection.sealed_at.is_none() {
            let detail = "the collection is not sealed, so it has no manifest; seal it first";
            return Err(fail(ErrorKind::NotFound).with_detail(detail));
        }
        Ok(ManifestReader::new(Arc::clone(&self.catalog), collection))
    }
}
