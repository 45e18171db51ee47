//! One transaction that writes everything into an empty database.

use artifact_backend::{ArtifactId, Sha256Digest, StoreId};
use artifact_receipt::{KeyName, LogSecret, TreeHash};
use async_trait::async_trait;
use tokio_postgres::types::ToSql;

use super::PostgresDatabase;
use super::columns::{DigestColumns, RowColumns};
use super::portable::{OpenTransaction, copying};
use super::receipts;
use super::shared_columns::{GrantColumns, INSERT_GRANTS, INSERT_LINKS, LinkColumns};
use crate::administrators::Administrator;
use crate::catalog::Hold;
use crate::collections::{Collection, CollectionFile, CollectionId};
use crate::database::portable::{DatabaseLoad, not_empty};
use crate::database::rejected::Rejected;
use crate::database::sql::{
    INSERT_FORMER, IS_EMPTY, REPLACE_PLACEMENT, TABLES, micros, stored, stored_epoch,
    stored_limits, stored_position, stored_state,
};
use crate::digests::ChunkDigests;
use crate::dump::DumpRecord;
use crate::error::{Operation, Result};
use crate::identity::{CredentialHash, DisplayName, Group, GroupId, Labels, MemberId, Worker};
use crate::placement::Placement;
use crate::quota::{Quota, QuotaScope};
use crate::receipts::{CopiedLog, QueuedReceipt};
use crate::row::Row;
use crate::sharing::{AccessGrant, AccessLink};

const EXPERIMENTS: &str = "\
    INSERT INTO experiments (id, created_at) SELECT * FROM unnest($1::text[], $2::bigint[])";
const RETENTION: &str = "\
    INSERT INTO retention (experiment, keep) \
    SELECT * FROM unnest($1::text[], $2::bigint[]) AS new (experiment, keep) WHERE keep IS NOT NULL";
const WORKERS: &str = "\
    INSERT INTO workers (id, experiment, name, labels, registered_at, registered_by, credential, \
        credential_expires_at) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], \
        $8::bigint[])";
const ADMINISTRATORS: &str = "\
    INSERT INTO administrators (id, name, created_at, created_by, credential, credential_expires_at) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[])";
const GROUPS: &str = "\
    INSERT INTO groups (id, experiment, name, created_at, created_by) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])";
const MEMBERS: &str = "\
    INSERT INTO members (group_id, member, experiment, position) \
    SELECT new.group_id, new.member, groups.experiment, new.position \
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new (group_id, member, position) \
    JOIN groups ON groups.id = new.group_id";
const ROWS: &str = "\
    INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, \
        created_at, expires_at, placement, seq) \
    SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], \
        $7::bytea[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])";
/// Leaves out those whose row the copy lacks.
const CHUNK_DIGESTS: &str = "\
    INSERT INTO chunk_digests (id, chunk_bytes, blake3, digests) \
    SELECT given.* FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[]) \
        AS given (id, chunk_bytes, blake3, digests) \
    WHERE EXISTS (SELECT FROM artifact_rows WHERE artifact_rows.id = given.id AND removed_at IS NULL)";
const HOLDS: &str = "\
    INSERT INTO holds (id, placed_by, placed_at) SELECT * FROM unnest($1::bytea[], $2::text[], $3::bigint[])";
const REMOVED: &str = "\
    WITH new AS (SELECT * FROM unnest($1::bytea[]) WITH ORDINALITY AS new (id, place)), tombstones AS (\
        INSERT INTO artifact_rows (id, removed_at) SELECT id, now_micros() FROM new\
    ) INSERT INTO removals (id) SELECT id FROM new ORDER BY place";
const COLLECTIONS: &str = "\
    INSERT INTO collections (id, experiment, owner, title, created_at, sealed_at, deleting_since) \
    SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])";
/// A file whose artifact the copy lacks is one that was removed. Adds up the numbers of files and bytes.
const COLLECTION_FILES: &str = "\
    WITH given AS (\
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::bytea[], \
            $7::bigint[], $8::bigint[]) \
            AS given (collection, name, id, size, content_type, sha256, created_at, state)\
    ), inserted AS (\
        INSERT INTO collection_files (collection, name, id, size, content_type, sha256, created_at, state) \
        SELECT collection, name, id, size, content_type, sha256, created_at, CASE \
            WHEN state <> 0 OR EXISTS (\
                SELECT FROM artifact_rows WHERE artifact_rows.id = given.id AND removed_at IS NULL\
            ) THEN state \
            WHEN (SELECT sealed_at FROM collections WHERE collections.id = given.collection) IS NULL THEN 1 \
            ELSE 2 END \
        FROM given RETURNING collection, size, state\
    ), counted AS (\
        SELECT collection, count(*) AS files, sum(size)::bigint AS bytes FROM inserted WHERE state = 0 GROUP BY collection\
    ) UPDATE collections SET files = collections.files + counted.files, bytes = collections.bytes + counted.bytes \
    FROM counted WHERE collections.id = counted.collection";
const STORE_ID: &str = "INSERT INTO store_id (only_row, id) VALUES (true, $1)";
/// The next row comes after the last one of the copy.
const CONTINUE: &str = "\
    SELECT setval('artifact_rows_seq', greatest($1, last_value)) FROM artifact_rows_seq WHERE $1 > 0";

/// An open transaction. Dropping it rolls it back.
#[derive(Debug)]
pub(super) struct PostgresLoad {
    transaction: OpenTransaction,
    last_position: i64,
    /// The group of the last member, and the position of that member.
    last_member: Option<(GroupId, i64)>,
    receipts: CopiedLog,
}

impl PostgresLoad {
    /// Begins the transaction, locks the tables, and checks that they hold nothing.
    pub(super) async fn begin(database: &PostgresDatabase) -> Result<Self> {
        let transaction = OpenTransaction::begin(database, "READ COMMITTED").await?;
        let tables = TABLES.join(", ");
        let lock = format!("LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE");
        transaction.batch(&lock).await.map_err(copying)?;
        let is_empty = transaction.query_one(IS_EMPTY, &[]).await;
        if !is_empty.and_then(|row| row.try_get(0)).map_err(copying)? {
            return Err(not_empty());
        }
        Ok(Self {
            transaction,
            last_position: 0,
            last_member: None,
            receipts: CopiedLog::default(),
        })
    }

    async fn run(&self, statement: &str, params: &[&(dyn ToSql + Sync)]) -> Result<()> {
        let run = self.transaction.query(statement, params).await;
        run.map(drop).map_err(copying)
    }
}

#[async_trait]
impl DatabaseLoad for PostgresLoad {
    async fn write(&mut self, records: Vec<DumpRecord>) -> Result<()> {
        // The order of the kinds in a snapshot is one in which all of a batch can be written kind by kind.
        let mut batch = Batch::default();
        for record in records {
            batch.push(record)?;
        }
        batch.write(self).await
    }

    async fn place(&mut self, placement: &Placement) -> Result<()> {
        // The fence holds for sessions of older versions too, once there is one.
        self.run("SELECT fence_inserts()", &[]).await?;
        let params: [&(dyn ToSql + Sync); 5] = [
            &stored_epoch(placement.epoch),
            &stored_epoch(placement.fence),
            &stored_position(placement.reached),
            &placement.current,
            &placement.previous,
        ];
        self.run(REPLACE_PLACEMENT, &params).await?;
        for former in &placement.former {
            self.run(INSERT_FORMER, &[&former.url, &former.state()])
                .await?;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>, store_id: Option<StoreId>) -> Result<()> {
        self.run(CONTINUE, &[&self.last_position]).await?;
        self.run(receipts::SET_SIZE, &[&stored(self.receipts.size())])
            .await?;
        if let Some(id) = store_id {
            self.run(STORE_ID, &[&id.as_bytes().as_slice()]).await?;
        }
        self.transaction.commit().await
    }
}

/// The records of a batch by their kinds.
#[derive(Default)]
struct Batch {
    experiments: (Vec<String>, Vec<i64>, Vec<Option<i64>>),
    workers: Vec<(Worker, CredentialHash)>,
    groups: Vec<Group>,
    members: Vec<(GroupId, MemberId)>,
    rows: (Vec<Row>, Vec<i64>),
    chunk_digests: Vec<(ArtifactId, ChunkDigests)>,
    holds: Vec<Hold>,
    removed: Vec<ArtifactId>,
    administrators: Vec<Administrator>,
    collections: Vec<Collection>,
    files: Vec<(CollectionId, CollectionFile)>,
    grants: Vec<AccessGrant>,
    links: Vec<(AccessLink, Sha256Digest)>,
    quotas: Vec<(QuotaScope, Quota)>,
    logs: Vec<(KeyName, LogSecret)>,
    leaves: Vec<(u64, ArtifactId, TreeHash)>,
    queued: Vec<QueuedReceipt>,
}

impl Batch {
    fn push(&mut self, record: DumpRecord) -> Result<()> {
        match record {
            DumpRecord::Experiment { experiment, keep } => {
                let (ids, times, periods) = &mut self.experiments;
                ids.push(experiment.id.as_str().to_owned());
                times.push(experiment.created_at.as_microsecond());
                periods.push(keep.map(micros));
            }
            DumpRecord::Worker { worker, credential } => self.workers.push((worker, credential)),
            DumpRecord::Group(group) => self.groups.push(group),
            DumpRecord::Member { group, member } => self.members.push((group, member)),
            DumpRecord::Artifact { position, row } => {
                if i64::try_from(row.size).is_err() {
                    return Err(Rejected::SIZE.into_error(Operation::Dump));
                }
                let (rows, positions) = &mut self.rows;
                rows.push(row);
                positions.push(stored_position(position));
            }
            DumpRecord::ChunkDigests { id, digests } => self.chunk_digests.push((id, digests)),
            DumpRecord::Hold(hold) => self.holds.push(hold),
            DumpRecord::Removed(id) => self.removed.push(id),
            DumpRecord::AccessGrant(grant) => self.grants.push(grant),
            DumpRecord::AccessLink { link, digest } => self.links.push((link, digest)),
            DumpRecord::Administrator(administrator) => self.administrators.push(administrator),
            DumpRecord::Collection(collection) => self.collections.push(collection),
            DumpRecord::CollectionFile { collection, file } => {
                if i64::try_from(file.size).is_err() {
                    return Err(Rejected::SIZE.into_error(Operation::Dump));
                }
                self.files.push((collection, file));
            }
            DumpRecord::Quota { scope, quota } => self.quotas.push((scope, quota)),
            DumpRecord::ReceiptLog { origin, secret } => self.logs.push((origin, secret)),
            DumpRecord::Receipt {
                index,
                artifact,
                hash,
            } => self.leaves.push((index, artifact, hash)),
            DumpRecord::QueuedReceipt(queued) => self.queued.push(queued),
        }
        Ok(())
    }

    async fn write(self, load: &mut PostgresLoad) -> Result<()> {
        let (ids, times, periods) = &self.experiments;
        if !ids.is_empty() {
            load.run(EXPERIMENTS, &[ids, times]).await?;
            load.run(RETENTION, &[ids, periods]).await?;
        }
        self.write_identities(load).await?;
        let (rows, positions) = &self.rows;
        if !rows.is_empty() {
            let columns = RowColumns::of(rows.iter().map(|row| (row, 0)));
            let mut params = columns.params().to_vec();
            params.push(positions);
            load.run(ROWS, &params).await?;
            let last = positions.iter().copied().max().unwrap_or(0);
            load.last_position = load.last_position.max(last);
        }
        if !self.chunk_digests.is_empty() {
            let digests = self.chunk_digests.iter().map(|(id, digests)| (id, digests));
            let columns = DigestColumns::of(digests);
            load.run(CHUNK_DIGESTS, &columns.params()).await?;
        }
        if !self.holds.is_empty() {
            let ids = column(&self.holds, |hold| hold.id.as_bytes().as_slice());
            let principals = column(&self.holds, |hold| hold.placed_by.as_str());
            let times = column(&self.holds, |hold| hold.placed_at.as_microsecond());
            load.run(HOLDS, &[&ids, &principals, &times]).await?;
        }
        if !self.removed.is_empty() {
            let ids = column(&self.removed, |id| id.as_bytes().as_slice());
            load.run(REMOVED, &[&ids]).await?;
        }
        self.write_administrators(load).await?;
        self.write_collections(load).await?;
        if !self.grants.is_empty() {
            let columns = GrantColumns::of(&self.grants);
            load.run(INSERT_GRANTS, &columns.params()).await?;
        }
        if !self.links.is_empty() {
            let columns = LinkColumns::of(&self.links);
            load.run(INSERT_LINKS, &columns.params()).await?;
        }
        self.write_quotas(load).await?;
        self.write_receipts(load).await
    }

    async fn write_receipts(&self, load: &mut PostgresLoad) -> Result<()> {
        for (origin, secret) in &self.logs {
            load.run(receipts::QUEUE_ROWS, &[]).await?;
            let (origin, secret) = (origin.as_str(), secret.expose_bytes().as_slice());
            load.run(receipts::LOAD_LOG, &[&origin, &secret]).await?;
        }
        let mut nodes = Vec::new();
        for (index, artifact, hash) in &self.leaves {
            nodes.extend(load.receipts.push(*index, *artifact, *hash)?);
        }
        if !nodes.is_empty() {
            let columns = receipts::NodeColumns::of(&nodes);
            let params: [&(dyn ToSql + Sync); 4] = [
                &columns.levels,
                &columns.positions,
                &columns.hashes,
                &columns.artifacts,
            ];
            load.run(receipts::LOAD_NODES, &params).await?;
        }
        if self.queued.is_empty() {
            return Ok(());
        }
        let all = &self.queued;
        let ids = column(all, |queued| queued.id.as_bytes().as_slice());
        let experiments = column(all, |queued| queued.experiment.as_str());
        let principals = column(all, |queued| queued.created_by.as_str());
        let sizes = column(all, |queued| stored(queued.size));
        let digests = column(all, |queued| queued.sha256.as_bytes().as_slice());
        let times = column(all, |queued| queued.created_at.as_microsecond());
        let params: [&(dyn ToSql + Sync); 6] =
            [&ids, &experiments, &principals, &sizes, &digests, &times];
        load.run(receipts::LOAD_QUEUE, &params).await
    }

    /// Counts the rows, which come before it.
    async fn write_quotas(&self, load: &PostgresLoad) -> Result<()> {
        for (scope, quota) in &self.quotas {
            let [bytes, artifacts, in_flight] = stored_limits(quota);
            let (experiment, principal) = (scope.experiment().as_str(), scope.stored_principal());
            let params: [&(dyn ToSql + Sync); 5] =
                [&experiment, &principal, &bytes, &artifacts, &in_flight];
            load.run(super::quotas::SET, &params).await?;
        }
        Ok(())
    }

    async fn write_administrators(&self, load: &mut PostgresLoad) -> Result<()> {
        let all = &self.administrators;
        if all.is_empty() {
            return Ok(());
        }
        let ids = column(all, |each| each.id.as_str());
        let names = column(all, |each| each.name.as_str());
        let times = column(all, |each| each.created_at.as_microsecond());
        let principals = column(all, |each| each.created_by.as_str());
        let hashes = column(all, |each| each.credential.as_phc());
        let expiries = column(all, |each| {
            let expires_at = each.credential.expires_at();
            expires_at.map(jiff::Timestamp::as_microsecond)
        });
        let params: [&(dyn ToSql + Sync); 6] =
            [&ids, &names, &times, &principals, &hashes, &expiries];
        load.run(ADMINISTRATORS, &params).await
    }

    async fn write_collections(&self, load: &PostgresLoad) -> Result<()> {
        let micros = jiff::Timestamp::as_microsecond;
        if !self.collections.is_empty() {
            let all = &self.collections;
            let ids = column(all, |found| found.id.as_bytes().as_slice());
            let experiments = column(all, |found| found.experiment.as_str());
            let owners = column(all, |found| found.owner.as_str());
            let titles = column(all, |found| found.title.as_ref().map(DisplayName::as_str));
            let times = column(all, |found| found.created_at.as_microsecond());
            let seals = column(all, |found| found.sealed_at.map(micros));
            let deletions = column(all, |found| found.deleting_since.map(micros));
            let params: [&(dyn ToSql + Sync); 7] = [
                &ids,
                &experiments,
                &owners,
                &titles,
                &times,
                &seals,
                &deletions,
            ];
            load.run(COLLECTIONS, &params).await?;
        }
        if self.files.is_empty() {
            return Ok(());
        }
        let all = &self.files;
        let collections = column(all, |(collection, _)| collection.as_bytes().as_slice());
        let names = column(all, |(_, file)| file.path.as_str());
        let ids = column(all, |(_, file)| file.id.as_bytes().as_slice());
        let sizes = column(all, |(_, file)| {
            // Checked when it was added to the batch.
            i64::try_from(file.size).unwrap_or(i64::MAX)
        });
        let types = column(all, |(_, file)| file.content_type.as_str());
        let digests = column(all, |(_, file)| file.sha256.as_bytes().as_slice());
        let times = column(all, |(_, file)| file.created_at.as_microsecond());
        let states = column(all, |(_, file)| stored_state(file.state));
        let params: [&(dyn ToSql + Sync); 8] = [
            &collections,
            &names,
            &ids,
            &sizes,
            &types,
            &digests,
            &times,
            &states,
        ];
        load.run(COLLECTION_FILES, &params).await
    }

    async fn write_identities(&self, load: &mut PostgresLoad) -> Result<()> {
        if !self.workers.is_empty() {
            let workers = &self.workers;
            let ids = column(workers, |(worker, _)| worker.id.as_str());
            let experiments = column(workers, |(worker, _)| worker.experiment.as_str());
            let names = column(workers, |(worker, _)| {
                worker.name.as_ref().map(DisplayName::as_str)
            });
            let labels = column(workers, |(worker, _)| {
                worker.labels.as_ref().map(Labels::to_json)
            });
            let times = column(workers, |(worker, _)| worker.registered_at.as_microsecond());
            let principals = column(workers, |(worker, _)| worker.registered_by.as_str());
            let hashes = column(workers, |(_, credential)| credential.as_phc());
            let expiries = column(workers, |(_, credential)| {
                credential.expires_at().map(jiff::Timestamp::as_microsecond)
            });
            let params: [&(dyn ToSql + Sync); 8] = [
                &ids,
                &experiments,
                &names,
                &labels,
                &times,
                &principals,
                &hashes,
                &expiries,
            ];
            load.run(WORKERS, &params).await?;
        }
        if !self.groups.is_empty() {
            let groups = &self.groups;
            let ids = column(groups, |group| group.id.as_str());
            let experiments = column(groups, |group| group.experiment.as_str());
            let names = column(groups, |group| group.name.as_ref().map(DisplayName::as_str));
            let times = column(groups, |group| group.created_at.as_microsecond());
            let principals = column(groups, |group| group.created_by.as_str());
            let params: [&(dyn ToSql + Sync); 5] =
                [&ids, &experiments, &names, &times, &principals];
            load.run(GROUPS, &params).await?;
        }
        if !self.members.is_empty() {
            let mut positions = Vec::with_capacity(self.members.len());
            for (group, _) in &self.members {
                let position = match load.last_member {
                    Some((last, position)) if last == *group => position + 1,
                    _ => 1,
                };
                load.last_member = Some((*group, position));
                positions.push(position);
            }
            let groups = column(&self.members, |(group, _)| group.as_str());
            let members = column(&self.members, |(_, member)| member.as_str());
            load.run(MEMBERS, &[&groups, &members, &positions]).await?;
        }
        Ok(())
    }
}

fn column<'r, R, V: 'r>(records: &'r [R], value: impl Fn(&'r R) -> V) -> Vec<V> {
    records.iter().map(value).collect()
}
