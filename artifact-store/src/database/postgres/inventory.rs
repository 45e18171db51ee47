//! The maintenance of the catalog in a PostgreSQL database.

use std::collections::HashSet;
use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::PostgresDatabase;
use super::query::{id, ids, value};
use super::removal::IdRecord;
use super::scan;
use crate::catalog::{
    CatalogInventory, ExpiredPage, ExpiryPosition, Hold, ImportId, PrincipalUsage, Removal,
    RemovalPage, RowFilter, RowPage, RowPosition, ScrubRecord, StagedRow, check_number_of_ids,
    check_staged, clamped_limit,
};
use crate::database::sql::{
    Columns, Decoder, FlagRecord, IS_SEALED, Lane, Record, SqlDatabase, expired_page, params,
    stored_position,
};
use crate::database::subject::Subject;
use crate::digests::ChunkDigests;
use crate::error::{ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

const SELECT_LIVE: &str = "SELECT id FROM artifact_rows WHERE id = ANY ($1) AND removed_at IS NULL";
const SELECT_HOLD: &str = "SELECT placed_by, placed_at FROM holds WHERE id = $1";
const SELECT_RETENTION: &str = "SELECT keep FROM retention WHERE experiment = $1";

/// The columns `placed_by, placed_at` of a hold.
#[derive(Debug)]
struct HoldRecord(String, i64);

impl Record for HoldRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self(row.text(0)?, row.integer(1)?))
    }
}

#[async_trait]
impl CatalogInventory for PostgresDatabase {
    async fn scan(&self, filter: &RowFilter, after: RowPosition, limit: u32) -> Result<RowPage> {
        let limit = clamped_limit(limit);
        let known = self.settled.get();
        if known > stored_position(after) {
            let page = self.page(filter, after, known, limit).await?;
            if page.next.is_some() {
                return Ok(page);
            }
        }
        let settled = self.settle().await?;
        self.page(filter, after, settled, limit).await
    }

    async fn missing(&self, wanted: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        let operation = Operation::FindRow;
        check_number_of_ids(operation, wanted)?;
        let values = vec![ids(wanted)];
        let live: Vec<IdRecord> = self
            .rows(Lane::List, operation, SELECT_LIVE, values)
            .await?;
        let live = live.iter().map(|found| scan::id(operation, &found.0));
        let live: HashSet<_> = live.collect::<Result<_>>()?;
        let missing = wanted.iter().filter(|id| !live.contains(id));
        Ok(missing.copied().collect())
    }

    async fn add_chunk_digests(&self, id: ArtifactId, digests: &ChunkDigests) -> Result<bool> {
        self.insert_digests(id, digests).await
    }

    async fn usage(
        &self,
        experiment: &ExperimentId,
        created_by: Option<&PrincipalId>,
    ) -> Result<Vec<PrincipalUsage>> {
        self.usage_of(experiment, created_by).await
    }

    async fn remove(&self, id: ArtifactId) -> Result<Removal> {
        let removal = self.remove_unsealed(id).await?;
        removal.ok_or_else(|| {
            Subject::with_id(Operation::DeleteRow, id)
                .error(ErrorKind::Unexpected)
                .with_detail("the database kept a row that was to be removed")
        })
    }

    async fn is_sealed(&self, id: ArtifactId) -> Result<bool> {
        let subject = Subject::with_id(Operation::DeleteRow, id);
        let params = params![id.as_bytes().as_slice()];
        let found = self.query_one(subject, IS_SEALED, params).await?;
        Ok(found.is_some_and(|FlagRecord(is_sealed)| is_sealed))
    }

    async fn remove_expired(&self, id: ArtifactId) -> Result<Option<Removal>> {
        self.remove_row(id, true, false).await
    }

    async fn condemn(&self, wanted: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::DeleteRow, wanted)?;
        let removed: HashSet<_> = self.condemn_ids(wanted).await?.into_iter().collect();
        let condemned = wanted.iter().filter(|id| removed.contains(id));
        Ok(condemned.copied().collect())
    }

    async fn removed(&self, wanted: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::FindRemovals, wanted)?;
        self.removed_ids(wanted).await
    }

    async fn stage(&self, import: ImportId, rows: &[StagedRow]) -> Result<()> {
        check_staged(rows)?;
        self.stage_rows(import, rows).await
    }

    async fn publish(&self, import: ImportId, number: u64) -> Result<()> {
        self.publish_rows(import, number).await
    }

    async fn removals(&self, after: RowPosition, limit: u32) -> Result<RemovalPage> {
        self.removal_page(after, clamped_limit(limit)).await
    }

    async fn last_removal(&self) -> Result<RowPosition> {
        self.find_last_removal().await
    }

    async fn place_hold(&self, hold: &Hold) -> Result<()> {
        self.insert_hold(hold).await
    }

    async fn release_hold(&self, id: ArtifactId) -> Result<bool> {
        self.delete_hold(id).await
    }

    async fn find_hold(&self, artifact: ArtifactId) -> Result<Option<Hold>> {
        let subject = Subject::with_id(Operation::Hold, artifact);
        let values = vec![id(artifact)];
        let mut holds = self
            .rows(Lane::Lookup, subject, SELECT_HOLD, values)
            .await?;
        let Some(HoldRecord(placed_by, placed_at)) = holds.pop() else {
            return Ok(None);
        };
        let decoder = Decoder(subject);
        let placed_by = decoder.parse("placed_by", &placed_by)?;
        let placed_at = decoder.time("placed_at", placed_at)?;
        Ok(Some(Hold::new(artifact, placed_by, placed_at)))
    }

    async fn set_retention(&self, experiment: &ExperimentId, keep: Option<Duration>) -> Result<()> {
        self.write_retention(experiment, keep).await
    }

    async fn retention(&self, experiment: &ExperimentId) -> Result<Option<Duration>> {
        let subject = Subject::from(Operation::Retention);
        let values = vec![value(experiment.as_str().to_owned())];
        let found = self.rows(Lane::Lookup, subject, SELECT_RETENTION, values);
        let Some(scan::NumberRecord(keep)) = found.await?.pop() else {
            return Ok(None);
        };
        let keep = u64::try_from(keep);
        let keep = keep.map_err(|error| Decoder(subject).corrupt("keep", error))?;
        Ok(Some(Duration::from_micros(keep)))
    }

    async fn expired(&self, after: &ExpiryPosition, limit: u32) -> Result<ExpiredPage> {
        expired_page(self, scan::EXPIRED, after, clamped_limit(limit)).await
    }

    async fn forget_keys(&self, limit: u32) -> Result<u64> {
        self.delete_keys(clamped_limit(limit)).await
    }

    async fn take_lease(&self, name: &str, holder: [u8; 16], period: Duration) -> Result<bool> {
        self.write_lease(name, holder, period).await
    }

    async fn last_scrub(&self) -> Result<Option<ScrubRecord>> {
        self.find_last_scrub().await
    }

    async fn record_scrub(&self, record: &ScrubRecord) -> Result<()> {
        self.write_scrub(record).await
    }
}
