//! One transaction that writes everything into an empty file, over a connection of its own.

use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::StoreId;
use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, Params, params_from_iter};

use super::connection::{Role, connect};
use super::portable::{Copies, blocking, copying};
use super::quotas;
use super::receipts;
use super::removal::now;
use crate::administrators::Administrator;
use crate::collections::{Collection, CollectionFile, CollectionId};
use crate::database::portable::{DatabaseLoad, not_empty};
use crate::database::rejected::Rejected;
use crate::database::sql::{
    INSERT_FORMER, IS_EMPTY, REPLACE_PLACEMENT, digest_params, grant_params, link_params, micros,
    stored, stored_epoch, stored_limits, stored_position, stored_state,
};
use crate::dump::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::file_name::FileName;
use crate::identity::{DisplayName, GroupId, Labels};
use crate::placement::Placement;
use crate::quota::{Quota, QuotaScope};
use crate::receipts::{CopiedLog, QueuedReceipt, ReceiptNode};

// SQLite numbers the parameters in the order in which they first appear.
const EXPERIMENT: &str = "INSERT INTO experiments (id, created_at) VALUES ($1, $2)";
const RETENTION: &str = "INSERT INTO retention (experiment, keep) VALUES ($1, $2)";
const WORKER: &str = "\
    INSERT INTO workers (id, experiment, name, labels, registered_at, registered_by, credential, \
        credential_expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const ADMINISTRATOR: &str = "\
    INSERT INTO administrators (id, name, created_at, created_by, credential, credential_expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const GROUP: &str = "\
    INSERT INTO groups (id, experiment, name, created_at, created_by) VALUES ($1, $2, $3, $4, $5)";
const MEMBER: &str = "\
    INSERT INTO members (group_id, member, experiment, position) \
    SELECT id, $1, experiment, $2 FROM groups WHERE id = $3";
const ROW: &str = "\
    INSERT INTO artifact_rows (seq, id, experiment, created_by, size, content_type, file_name, sha256, \
        created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
/// Inserts nothing if the copy lacks the row.
const CHUNK_DIGESTS: &str = "\
    INSERT INTO chunk_digests (seq, chunk_bytes, blake3, digests) \
    SELECT seq, $1, $2, $3 FROM artifact_rows WHERE id = $4 AND removed_at IS NULL";
const HOLD: &str = "INSERT INTO holds (id, placed_by, placed_at) VALUES ($1, $2, $3)";
const REMOVED: &str = concat!(
    "INSERT INTO artifact_rows (id, removed_at) VALUES ($1, ",
    now!(),
    ")"
);
/// Inserts nothing if the copy lacks the subject or the grantee.
const GRANT: &str = "\
    INSERT INTO access_grants (id, experiment, subject_kind, subject_id, worker, group_id, created_at, created_by, \
        expires_at) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 \
    WHERE CASE $3 \
            WHEN 'artifact' THEN EXISTS (SELECT 1 FROM artifact_rows WHERE id = $4 AND removed_at IS NULL) \
            WHEN 'collection' THEN EXISTS (SELECT 1 FROM collections WHERE id = $4) END \
        AND (EXISTS (SELECT 1 FROM workers WHERE id = $5) OR EXISTS (SELECT 1 FROM groups WHERE id = $6))";
/// Inserts nothing if the copy lacks the artifact or the maker.
const LINK: &str = "\
    INSERT INTO access_links (id, experiment, artifact, digest, worker, created_at, created_by, expires_at, \
        max_downloads, downloads) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 \
    WHERE EXISTS (SELECT 1 FROM artifact_rows WHERE id = $3 AND removed_at IS NULL) \
        AND ($5 IS NULL OR EXISTS (SELECT 1 FROM workers WHERE id = $5))";
const COLLECTION: &str = "\
    INSERT INTO collections (id, experiment, owner, title, created_at, sealed_at, deleting_since) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
/// A file whose artifact the copy lacks is one that was removed.
const COLLECTION_FILE: &str = "\
    INSERT INTO collection_files (collection, name, id, size, content_type, sha256, created_at, state) \
    SELECT $1, $2, $3, $4, $5, $6, $7, CASE \
        WHEN $8 <> 0 OR EXISTS (SELECT 1 FROM artifact_rows WHERE id = $3 AND removed_at IS NULL) THEN $8 \
        WHEN (SELECT sealed_at FROM collections WHERE id = $1) IS NULL THEN 1 \
        ELSE 2 END";
const COUNT_FILE: &str = "\
    UPDATE collections SET files = files + 1, bytes = bytes + file.size FROM (\
        SELECT collection, size FROM collection_files WHERE collection = $1 AND name = $2 AND state = 0\
    ) AS file WHERE collections.id = file.collection";
const QUEUED_RECEIPT: &str = "\
    INSERT INTO receipt_queue (artifact, experiment, created_by, size, sha256, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const STORE_ID: &str = "INSERT INTO store_id (only_row, id) VALUES (1, $1)";

/// An open transaction. Dropping it rolls it back.
#[derive(Debug)]
pub(super) struct SqliteLoad {
    copies: Copies,
    /// `None` while a future has it, so a dropped future ends the load.
    open: Arc<Mutex<Option<Open>>>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The group of the last member, and the position of that member.
    last_member: Option<(GroupId, i64)>,
    receipts: CopiedLog,
}

impl SqliteLoad {
    /// Begins the transaction, and checks that the file holds nothing.
    pub(super) async fn begin(copies: &Copies) -> Result<Self> {
        let copies = copies.clone();
        blocking(move || {
            let connection = connect(&copies.path, Role::Write).map_err(copying)?;
            // A row may have lost its experiment in a shell. It stays as it is.
            let unchecked = connection.pragma_update(None, "foreign_keys", false);
            unchecked.map_err(copying)?;
            let begun = connection.execute_batch("BEGIN IMMEDIATE");
            begun.map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy) => Rejected::LOCKED.into_error(Operation::Dump),
                _ => copying(error),
            })?;
            copies.check()?;
            let is_empty = connection.query_row(IS_EMPTY, [], |row| row.get(0));
            if !is_empty.map_err(copying)? {
                return Err(not_empty());
            }
            Ok(Self {
                copies,
                open: Arc::new(Mutex::new(Some(Open {
                    connection,
                    last_member: None,
                    receipts: CopiedLog::default(),
                }))),
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Open) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::clone(&self.open);
        blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(mut open) = slot.take() else {
                return Err(Error::new(ErrorKind::Unexpected, Operation::Dump)
                    .with_detail("the load has failed before"));
            };
            let done = work(&mut open)?;
            *slot = Some(open);
            Ok(done)
        })
        .await
    }
}

#[async_trait]
impl DatabaseLoad for SqliteLoad {
    async fn write(&mut self, records: Vec<DumpRecord>) -> Result<()> {
        self.run(move |open| records.iter().try_for_each(|record| open.write(record)))
            .await
    }

    async fn place(&mut self, placement: &Placement) -> Result<()> {
        let placement = placement.clone();
        self.run(move |open| open.place(&placement)).await
    }

    async fn commit(self: Box<Self>, store_id: Option<StoreId>) -> Result<()> {
        let copies = self.copies.clone();
        self.run(move |open| {
            open.execute(receipts::SET_SIZE, [stored(open.receipts.size())])?;
            if let Some(id) = store_id {
                open.execute(STORE_ID, [id.as_bytes()])?;
            }
            open.connection.execute_batch("COMMIT").map_err(|error| {
                let error = copying(error);
                match error.kind() {
                    ErrorKind::OutOfSpace => error,
                    // It may be in the log nevertheless.
                    _ => error.with_kind(ErrorKind::Unavailable),
                }
            })?;
            copies.check()
        })
        .await
    }
}

impl Open {
    fn execute(&self, statement: &str, params: impl Params) -> Result<()> {
        let executed = self
            .connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute(params));
        executed.map(drop).map_err(copying)
    }

    fn place(&self, placement: &Placement) -> Result<()> {
        let values = (
            stored_epoch(placement.epoch),
            stored_epoch(placement.fence),
            stored_position(placement.reached),
            &*placement.current,
            placement.previous.as_deref(),
        );
        self.execute(REPLACE_PLACEMENT, values)?;
        let former = placement.former.iter();
        former
            .map(|former| (&*former.url, former.state()))
            .try_for_each(|values| self.execute(INSERT_FORMER, values))
    }

    fn write(&mut self, record: &DumpRecord) -> Result<()> {
        match record {
            DumpRecord::Experiment { experiment, keep } => {
                let id = experiment.id.as_str();
                self.execute(EXPERIMENT, (id, experiment.created_at.as_microsecond()))?;
                if let Some(keep) = keep {
                    self.execute(RETENTION, (id, micros(*keep)))?;
                }
                Ok(())
            }
            DumpRecord::Worker { worker, credential } => self.execute(
                WORKER,
                (
                    worker.id.as_str(),
                    worker.experiment.as_str(),
                    worker.name.as_ref().map(DisplayName::as_str),
                    worker.labels.as_ref().map(Labels::to_json),
                    worker.registered_at.as_microsecond(),
                    worker.registered_by.as_str(),
                    credential.as_phc(),
                    credential.expires_at().map(jiff::Timestamp::as_microsecond),
                ),
            ),
            DumpRecord::Group(group) => self.execute(
                GROUP,
                (
                    group.id.as_str(),
                    group.experiment.as_str(),
                    group.name.as_ref().map(DisplayName::as_str),
                    group.created_at.as_microsecond(),
                    group.created_by.as_str(),
                ),
            ),
            DumpRecord::Member { group, member } => {
                let position = match self.last_member {
                    Some((last, position)) if last == *group => position + 1,
                    _ => 1,
                };
                self.last_member = Some((*group, position));
                self.execute(MEMBER, (member.as_str(), position, group.as_str()))
            }
            DumpRecord::Artifact { position, row } => {
                let size = i64::try_from(row.size);
                let size = size.map_err(|_| Rejected::SIZE.into_error(Operation::Dump))?;
                self.execute(
                    ROW,
                    (
                        stored_position(*position),
                        row.id.as_bytes(),
                        row.experiment.as_str(),
                        row.created_by.as_str(),
                        size,
                        row.content_type.as_str(),
                        row.file_name.as_ref().map(FileName::as_str),
                        row.sha256.as_bytes(),
                        row.created_at.as_microsecond(),
                        row.expires_at.map(jiff::Timestamp::as_microsecond),
                    ),
                )
            }
            DumpRecord::ChunkDigests { id, digests } => {
                let params = digest_params(digests).into_iter();
                let params = params.chain([id.as_bytes().as_slice().into()]);
                self.execute(CHUNK_DIGESTS, params_from_iter(params))
            }
            DumpRecord::Hold(hold) => self.execute(
                HOLD,
                (
                    hold.id.as_bytes(),
                    hold.placed_by.as_str(),
                    hold.placed_at.as_microsecond(),
                ),
            ),
            DumpRecord::Removed(id) => self.execute(REMOVED, [id.as_bytes()]),
            DumpRecord::AccessGrant(grant) => {
                self.execute(GRANT, params_from_iter(grant_params(grant)))
            }
            DumpRecord::AccessLink { link, digest } => {
                self.execute(LINK, params_from_iter(link_params(link, digest)))
            }
            DumpRecord::Administrator(administrator) => self.write_administrator(administrator),
            DumpRecord::Collection(collection) => self.write_collection(collection),
            DumpRecord::CollectionFile { collection, file } => self.write_file(*collection, file),
            DumpRecord::Quota { scope, quota } => self.write_quota(scope, quota),
            DumpRecord::ReceiptLog { origin, secret } => {
                let triggers = self.connection.execute_batch(receipts::QUEUE_FROM_NOW);
                triggers.map_err(copying)?;
                self.execute(receipts::BEGIN, (origin.as_str(), secret.expose_bytes()))
            }
            DumpRecord::Receipt {
                index,
                artifact,
                hash,
            } => {
                let nodes = self.receipts.push(*index, *artifact, *hash)?;
                nodes.iter().try_for_each(|node| self.write_node(node))
            }
            DumpRecord::QueuedReceipt(queued) => self.write_queued(queued),
        }
    }

    fn write_node(&self, node: &ReceiptNode) -> Result<()> {
        let inserted = receipts::insert_node(&self.connection, node);
        inserted.map(drop).map_err(copying)
    }

    fn write_queued(&self, queued: &QueuedReceipt) -> Result<()> {
        self.execute(
            QUEUED_RECEIPT,
            (
                queued.id.as_bytes(),
                queued.experiment.as_str(),
                queued.created_by.as_str(),
                stored(queued.size),
                queued.sha256.as_bytes(),
                queued.created_at.as_microsecond(),
            ),
        )
    }

    fn write_administrator(&self, administrator: &Administrator) -> Result<()> {
        let credential = &administrator.credential;
        self.execute(
            ADMINISTRATOR,
            (
                administrator.id.as_str(),
                administrator.name.as_str(),
                administrator.created_at.as_microsecond(),
                administrator.created_by.as_str(),
                credential.as_phc(),
                credential.expires_at().map(jiff::Timestamp::as_microsecond),
            ),
        )
    }

    /// Writes a quota, and counts the rows, which come before it.
    fn write_quota(&self, scope: &QuotaScope, quota: &Quota) -> Result<()> {
        let (experiment, principal) = (scope.experiment().as_str(), scope.stored_principal());
        let [bytes, artifacts, in_flight] = stored_limits(quota);
        let limits = (experiment, principal, bytes, artifacts, in_flight);
        self.execute(quotas::SET, limits)?;
        let counts = self.connection.execute_batch(quotas::COUNT_FROM_NOW);
        counts.map_err(copying)?;
        let [whole, own] = quotas::COUNT;
        let count = if principal.is_empty() { whole } else { own };
        self.execute(count, [experiment, principal])
    }

    fn write_collection(&self, collection: &Collection) -> Result<()> {
        self.execute(
            COLLECTION,
            (
                collection.id.as_bytes(),
                collection.experiment.as_str(),
                collection.owner.as_str(),
                collection.title.as_ref().map(DisplayName::as_str),
                collection.created_at.as_microsecond(),
                collection.sealed_at.map(jiff::Timestamp::as_microsecond),
                collection
                    .deleting_since
                    .map(jiff::Timestamp::as_microsecond),
            ),
        )
    }

    /// Writes a name, and counts its file if it is there.
    fn write_file(&self, collection: CollectionId, file: &CollectionFile) -> Result<()> {
        let size = i64::try_from(file.size);
        let size = size.map_err(|_| Rejected::SIZE.into_error(Operation::Dump))?;
        self.execute(
            COLLECTION_FILE,
            (
                collection.as_bytes(),
                file.path.as_str(),
                file.id.as_bytes(),
                size,
                file.content_type.as_str(),
                file.sha256.as_bytes(),
                file.created_at.as_microsecond(),
                stored_state(file.state),
            ),
        )?;
        self.execute(COUNT_FILE, (collection.as_bytes(), file.path.as_str()))
    }
}
