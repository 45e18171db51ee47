//! The store id of a database in memory.

use artifact_backend::{ArtifactId, StoreId};
use async_trait::async_trait;

use super::MemoryDatabase;
use crate::error::{Operation, Result};
use crate::store_id::StoreIdRecord;

/// The store id and the proposals.
#[derive(Debug, Default)]
pub(super) struct StoreIds {
    confirmed: Option<StoreId>,
    proposed: Vec<StoreId>,
}

impl StoreIds {
    pub(super) fn is_empty(&self) -> bool {
        self.confirmed.is_none() && self.proposed.is_empty()
    }

    pub(super) fn confirmed(&self) -> Option<StoreId> {
        self.confirmed
    }

    /// Sets the store id of a copy.
    pub(super) fn confirm(&mut self, id: Option<StoreId>) {
        self.confirmed = id;
    }
}

#[async_trait]
impl StoreIdRecord for MemoryDatabase {
    async fn store_id(&self) -> Result<Option<StoreId>> {
        Ok(self.maps().store_ids.confirmed)
    }

    async fn propose_store_id(&self, id: StoreId) -> Result<()> {
        let mut maps = self.writable(Operation::JoinHalves)?;
        maps.store_ids.proposed.push(id);
        Ok(())
    }

    async fn has_proposed_store_id(&self, id: StoreId) -> Result<bool> {
        Ok(self.maps().store_ids.proposed.contains(&id))
    }

    async fn confirm_store_id(&self, id: StoreId) -> Result<StoreId> {
        let mut maps = self.writable(Operation::JoinHalves)?;
        Ok(*maps.store_ids.confirmed.get_or_insert(id))
    }

    async fn replace_store_id(&self, id: StoreId) -> Result<()> {
        self.writable(Operation::JoinHalves)?.store_ids.confirmed = Some(id);
        Ok(())
    }

    async fn some_rows(&self) -> Result<Vec<ArtifactId>> {
        let mut ids: Vec<_> = self.maps().rows.ids().collect();
        ids.sort_unstable();
        ids.truncate(8);
        Ok(ids)
    }
}
