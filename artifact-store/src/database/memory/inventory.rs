//! The maintenance of the catalog in memory.

use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryDatabase;
use crate::catalog::{
    CatalogInventory, ExpiredPage, ExpiryPosition, Hold, ImportId, PrincipalUsage, Removal,
    RemovalPage, RowFilter, RowPage, RowPosition, ScrubRecord, StagedRow, check_number_of_ids,
    check_staged, clamped_limit,
};
use crate::database::rejected::Rejected;
use crate::database::subject::Subject;
use crate::digests::ChunkDigests;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

impl MemoryDatabase {
    pub(super) fn now(&self) -> Timestamp {
        // A clock that shows no valid time lets nothing expire.
        Timestamp::try_from(self.clock.now()).unwrap_or(Timestamp::MIN)
    }
}

#[async_trait]
impl CatalogInventory for MemoryDatabase {
    async fn scan(&self, filter: &RowFilter, after: RowPosition, limit: u32) -> Result<RowPage> {
        Ok(self.maps().rows.scan(filter, after, clamped_limit(limit)))
    }

    async fn missing(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::FindRow, ids)?;
        let maps = self.maps();
        let is_missing = |id: &ArtifactId| maps.rows.get(*id).is_none();
        Ok(ids.iter().copied().filter(is_missing).collect())
    }

    async fn add_chunk_digests(&self, id: ArtifactId, digests: &ChunkDigests) -> Result<bool> {
        Ok(self.maps().rows.add_chunk_digests(id, digests))
    }

    async fn usage(
        &self,
        experiment: &ExperimentId,
        created_by: Option<&PrincipalId>,
    ) -> Result<Vec<PrincipalUsage>> {
        Ok(self.maps().rows.usage(experiment, created_by))
    }

    async fn remove(&self, id: ArtifactId) -> Result<Removal> {
        Ok(self.writable(Operation::DeleteRow)?.rows.remove(id))
    }

    async fn is_sealed(&self, id: ArtifactId) -> Result<bool> {
        Ok(self.maps().rows.collections.is_sealed(id))
    }

    async fn remove_expired(&self, id: ArtifactId) -> Result<Option<Removal>> {
        let now = self.now();
        let mut maps = self.writable(Operation::DeleteRow)?;
        Ok(maps.rows.remove_expired(id, now))
    }

    async fn condemn(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::DeleteRow, ids)?;
        let now = self.clock.now();
        let mut maps = self.writable(Operation::DeleteRow)?;
        let mut condemned = ids.to_vec();
        condemned.retain(|id| !maps.uploads.has_part(*id) && maps.rows.condemn(*id, now));
        Ok(condemned)
    }

    async fn removed(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::FindRemovals, ids)?;
        let maps = self.maps();
        let is_removed = |id: &ArtifactId| maps.rows.is_removed(*id);
        Ok(ids.iter().copied().filter(is_removed).collect())
    }

    async fn stage(&self, import: ImportId, rows: &[StagedRow]) -> Result<()> {
        check_staged(rows)?;
        let now = self.clock.now();
        let mut maps = self.writable(Operation::Import)?;
        let staged = maps.rows.staged.stage(import, rows, now);
        staged.map_err(|rejected| rejected.into_error(Operation::Import))
    }

    async fn publish(&self, import: ImportId, number: u64) -> Result<()> {
        let published = self.writable(Operation::Import)?.publish(import, number);
        published.map_err(|rejected| rejected.into_error(Operation::Import))
    }

    async fn removals(&self, after: RowPosition, limit: u32) -> Result<RemovalPage> {
        Ok(self.maps().rows.removals(after, clamped_limit(limit)))
    }

    async fn last_removal(&self) -> Result<RowPosition> {
        Ok(self.maps().rows.last_removal())
    }

    async fn place_hold(&self, hold: &Hold) -> Result<()> {
        if self.writable(Operation::Hold)?.rows.place_hold(hold) {
            return Ok(());
        }
        Err(Rejected::NO_ARTIFACT.into_error(Subject::with_id(Operation::Hold, hold.id)))
    }

    async fn release_hold(&self, id: ArtifactId) -> Result<bool> {
        Ok(self.writable(Operation::Hold)?.rows.release_hold(id))
    }

    async fn find_hold(&self, id: ArtifactId) -> Result<Option<Hold>> {
        Ok(self.maps().rows.hold(id).cloned())
    }

    async fn set_retention(&self, experiment: &ExperimentId, keep: Option<Duration>) -> Result<()> {
        let mut maps = self.writable(Operation::Retention)?;
        if !maps.experiments.contains_key(experiment) {
            return Err(Rejected::NO_EXPERIMENT.into_error(Operation::Retention));
        }
        maps.rows.set_retention(experiment, keep);
        Ok(())
    }

    async fn retention(&self, experiment: &ExperimentId) -> Result<Option<Duration>> {
        Ok(self.maps().rows.retention(experiment))
    }

    async fn expired(&self, after: &ExpiryPosition, limit: u32) -> Result<ExpiredPage> {
        let now = self.now();
        Ok(self.maps().rows.expired(after, clamped_limit(limit), now))
    }

    async fn forget_keys(&self, limit: u32) -> Result<u64> {
        let now = self.clock.now();
        Ok(self.maps().rows.forget_keys(clamped_limit(limit), now))
    }

    async fn take_lease(&self, name: &str, holder: [u8; 16], period: Duration) -> Result<bool> {
        let now = self.clock.now();
        Ok(self.maps().rows.take_lease(name, holder, period, now))
    }

    async fn last_scrub(&self) -> Result<Option<ScrubRecord>> {
        let now = self.clock.now();
        Ok(self.maps().rows.last_scrub(now))
    }

    async fn record_scrub(&self, record: &ScrubRecord) -> Result<()> {
        let now = self.clock.now();
        self.maps().rows.record_scrub(record, now);
        Ok(())
    }
}
