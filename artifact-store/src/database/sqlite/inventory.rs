//! The maintenance of the catalog in a SQLite file.

use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};

use super::{SqliteDatabase, digests, keys, removal, scan, staged};
use crate::catalog::{
    CatalogInventory, CommitMark, ExpiredPage, ExpiryPosition, Hold, ImportId, PrincipalUsage,
    Removal, RemovalPage, RowFilter, RowPage, RowPosition, ScrubRecord, StagedRow,
    check_number_of_ids, check_staged, clamped_limit,
};
use crate::database::sql::{
    Decoder, FlagRecord, IS_SEALED, Lane, SqlDatabase, expired_page, params,
};
use crate::database::subject::Subject;
use crate::digests::ChunkDigests;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

const SELECT_HOLD: &str = "SELECT placed_by, placed_at FROM holds WHERE id = $1";
const SELECT_RETENTION: &str = "SELECT keep FROM retention WHERE experiment = $1";

/// A write of more ids lets other writes wait.
const MANY: usize = 256;

impl SqliteDatabase {
    /// Runs a query that reads many rows.
    async fn list<T: Send + 'static>(
        &self,
        operation: Operation,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let readers = self.readers_of(Lane::List);
        readers.query(operation.into(), query).await
    }
}

fn decode_ids(
    operation: Operation,
    ids: impl IntoIterator<Item = scan::IdBytes>,
) -> Result<Vec<ArtifactId>> {
    let decoder = Decoder(operation.into());
    let ids = ids.into_iter().map(|id| decoder.bytes("id", &id));
    ids.map(|id| id.map(ArtifactId::from_bytes)).collect()
}

#[async_trait]
impl CatalogInventory for SqliteDatabase {
    async fn scan(&self, filter: &RowFilter, after: RowPosition, limit: u32) -> Result<RowPage> {
        let (filter, limit) = (filter.clone(), clamped_limit(limit));
        let query = move |connection: &_| scan::scan(connection, &filter, after, limit);
        self.list(Operation::ListRows, query).await
    }

    async fn missing(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::FindRow, ids)?;
        let ids = ids.to_vec();
        let query = move |connection: &_| scan::missing(connection, &ids);
        self.list(Operation::FindRow, query).await
    }

    async fn add_chunk_digests(&self, id: ArtifactId, digests: &ChunkDigests) -> Result<bool> {
        let subject = Subject::with_id(Operation::InsertRow, id);
        let digests = digests.clone();
        let work = move |connection: &_| digests::add(connection, id, &digests);
        self.writer.work(subject, true, work).await
    }

    async fn usage(
        &self,
        experiment: &ExperimentId,
        created_by: Option<&PrincipalId>,
    ) -> Result<Vec<PrincipalUsage>> {
        let operation = Operation::ListRows;
        let (experiment, created_by) = (experiment.clone(), created_by.cloned());
        let query = move |connection: &_| {
            let created_by = created_by.as_ref().map(PrincipalId::as_str);
            scan::usage(connection, experiment.as_str(), created_by)
        };
        let totals = self.list(operation, query).await?.into_iter();
        let usage = totals.map(|(created_by, artifacts, bytes)| {
            let created_by = Decoder(operation.into()).parse("created_by", &created_by)?;
            Ok(PrincipalUsage::new(created_by, artifacts, bytes))
        });
        usage.collect()
    }

    async fn remove(&self, id: ArtifactId) -> Result<Removal> {
        let subject = Subject::with_id(Operation::DeleteRow, id);
        let work = move |connection: &_| removal::remove(connection, id);
        self.writer.work(subject, false, work).await
    }

    async fn is_sealed(&self, id: ArtifactId) -> Result<bool> {
        let subject = Subject::with_id(Operation::DeleteRow, id);
        let params = params![id.as_bytes().as_slice()];
        let found = self.query_one(subject, IS_SEALED, params).await?;
        Ok(found.is_some_and(|FlagRecord(is_sealed)| is_sealed))
    }

    async fn remove_expired(&self, id: ArtifactId) -> Result<Option<Removal>> {
        let subject = Subject::with_id(Operation::DeleteRow, id);
        let work = move |connection: &_| removal::remove_expired(connection, id);
        self.writer.work(subject, false, work).await
    }

    async fn condemn(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::DeleteRow, ids)?;
        let ids = ids.to_vec();
        let takes_long = ids.len() > MANY;
        let work = move |connection: &_| removal::condemn(connection, &ids);
        self.writer
            .work(Operation::DeleteRow, takes_long, work)
            .await
    }

    async fn removed(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::FindRemovals, ids)?;
        let ids = ids.to_vec();
        let query = move |connection: &_| staged::removed(connection, &ids);
        self.list(Operation::FindRemovals, query).await
    }

    async fn stage(&self, import: ImportId, rows: &[StagedRow]) -> Result<()> {
        check_staged(rows)?;
        let rows = rows.to_vec();
        let work = move |connection: &_| staged::stage(connection, import, &rows);
        self.writer.work(Operation::Import, true, work).await
    }

    async fn publish(&self, import: ImportId, number: u64) -> Result<()> {
        let work = move |connection: &_| staged::publish(connection, import, number);
        self.writer.work(Operation::Import, true, work).await
    }

    async fn removals(&self, after: RowPosition, limit: u32) -> Result<RemovalPage> {
        let operation = Operation::FindRemovals;
        let limit = clamped_limit(limit);
        let query = move |connection: &_| scan::removals(connection, after, limit);
        let removals = self.list(operation, query).await?;
        let next = removals.last().map_or(after, |(position, _)| *position);
        let ids = decode_ids(operation, removals.into_iter().map(|(_, id)| id))?;
        Ok(RemovalPage::new(ids, next))
    }

    async fn last_removal(&self) -> Result<RowPosition> {
        let subject = Operation::FindRemovals.into();
        self.readers_of(Lane::Lookup)
            .query(subject, scan::last_removal)
            .await
    }

    fn commit_mark(&self) -> Option<CommitMark> {
        self.marks.current()
    }

    async fn place_hold(&self, hold: &Hold) -> Result<()> {
        let subject = Subject::with_id(Operation::Hold, hold.id);
        let hold = hold.clone();
        let work = move |connection: &_| removal::place_hold(connection, &hold);
        self.writer.work(subject, false, work).await
    }

    async fn release_hold(&self, id: ArtifactId) -> Result<bool> {
        let subject = Subject::with_id(Operation::Hold, id);
        let work = move |connection: &_| removal::release_hold(connection, id);
        self.writer.work(subject, false, work).await
    }

    async fn find_hold(&self, id: ArtifactId) -> Result<Option<Hold>> {
        let subject = Subject::with_id(Operation::Hold, id);
        let query = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(SELECT_HOLD)?;
            let hold = statement.query_row([id.as_bytes()], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?))
            });
            hold.optional()
        };
        let Some((placed_by, placed_at)) =
            self.readers_of(Lane::Lookup).query(subject, query).await?
        else {
            return Ok(None);
        };
        let decoder = Decoder(subject);
        let placed_by = decoder.parse("placed_by", &placed_by)?;
        let placed_at = decoder.time("placed_at", placed_at)?;
        Ok(Some(Hold::new(id, placed_by, placed_at)))
    }

    async fn set_retention(&self, experiment: &ExperimentId, keep: Option<Duration>) -> Result<()> {
        let experiment = experiment.clone();
        let work = move |connection: &_| removal::set_retention(connection, &experiment, keep);
        self.writer.work(Operation::Retention, false, work).await
    }

    async fn retention(&self, experiment: &ExperimentId) -> Result<Option<Duration>> {
        let subject = Subject::from(Operation::Retention);
        let experiment = experiment.clone();
        let query = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(SELECT_RETENTION)?;
            let keep = statement.query_row([experiment.as_str()], |row| row.get::<_, i64>(0));
            keep.optional()
        };
        let keep = self.readers_of(Lane::Lookup).query(subject, query).await?;
        let keep = keep.map(|keep| {
            let keep = u64::try_from(keep);
            keep.map_err(|error| Decoder(subject).corrupt("keep", error))
        });
        Ok(keep.transpose()?.map(Duration::from_micros))
    }

    async fn expired(&self, after: &ExpiryPosition, limit: u32) -> Result<ExpiredPage> {
        expired_page(self, scan::EXPIRED, after, clamped_limit(limit)).await
    }

    async fn forget_keys(&self, limit: u32) -> Result<u64> {
        let limit = clamped_limit(limit);
        let work = move |connection: &_| keys::forget(connection, limit);
        self.writer
            .work(Operation::DeleteRow, limit > MANY, work)
            .await
    }

    async fn take_lease(&self, name: &str, holder: [u8; 16], period: Duration) -> Result<bool> {
        let name = name.to_owned();
        let work = move |connection: &_| removal::take_lease(connection, &name, holder, period);
        self.writer.work(Operation::Lease, false, work).await
    }

    async fn last_scrub(&self) -> Result<Option<ScrubRecord>> {
        let subject = Operation::RecordScrub.into();
        self.readers_of(Lane::Lookup)
            .query(subject, scan::last_scrub)
            .await
    }

    async fn record_scrub(&self, record: &ScrubRecord) -> Result<()> {
        let record = *record;
        let work = move |connection: &_| removal::record_scrub(connection, &record);
        self.writer.work(Operation::RecordScrub, false, work).await
    }
}
