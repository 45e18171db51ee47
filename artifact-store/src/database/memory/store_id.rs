//! The store id of a database in memory.

use artifact_backend::{ArtifactId, StoreId};
use async_trait::async_trait;

use super::MemoryDatabase;
use crate::error::Result;
use crate::store_id::StoreIdRecord;

/// The store id and the proposals.
#[derive(Debug, Default)]
pub(super) struct StoreIds {
    confirmed: Option<StoreId>,
    proposed: Vec<StoreId>,
}

#[async_trait]
impl StoreIdRecord for MemoryDatabase {
    async fn store_id(&self) -> Result<Option<StoreId>> {
        Ok(self.maps().store_ids.confirmed)
    }

    async fn propose_store_id(&self, id: StoreId) -> Result<()> {
        self.maps().store_ids.proposed.push(id);
        Ok(())
    }

    async fn has_proposed_store_id(&self, id: StoreId) -> Result<bool> {
        Ok(self.maps().store_ids.proposed.contains(&id))
    }

    async fn confirm_store_id(&self, id: StoreId) -> Result<StoreId> {
        Ok(*self.maps().store_ids.confirmed.get_or_insert(id))
    }

    async fn replace_store_id(&self, id: StoreId) -> Result<()> {
        self.maps().store_ids.confirmed = Some(id);
        Ok(())
    }

    async fn some_rows(&self) -> Result<Vec<ArtifactId>> {
        let mut ids: Vec<_> = self.maps().rows.ids().collect();
        ids.sort_unstable();
        ids.truncate(8);
        Ok(ids)
    }
}
