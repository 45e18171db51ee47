//! The log of receipts in a SQL database.

use std::ops::Range;

use artifact_backend::{ArtifactId, BoxError, Sha256Digest};
use artifact_receipt::{KeyName, LogSecret, TreeHash};
use async_trait::async_trait;

use super::records::{Columns, Decoder, Record};
use super::{SqlDatabase, params, stored};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::receipts::{QueuedReceipt, ReceiptBatch, ReceiptLogState, ReceiptRecord, clamped_batch};

pub(super) const SELECT_LOG: &str = "SELECT origin, secret, size FROM receipt_log";
pub(super) const SELECT_LEAVES: &str = "\
    SELECT position, artifact, hash FROM receipt_nodes WHERE level = 0 ORDER BY position";
pub(super) const SELECT_QUEUE: &str = "\
    SELECT number, artifact, experiment, created_by, size, sha256, created_at FROM receipt_queue ORDER BY number";
const SELECT_FIRST: &str = "\
    SELECT number, artifact, experiment, created_by, size, sha256, created_at FROM receipt_queue \
    ORDER BY number LIMIT $1";
const SELECT_NODES: &str = "\
    SELECT hash FROM receipt_nodes WHERE level = $1 AND position >= $2 AND position < $3 ORDER BY position";
const SELECT_INDEX: &str = "SELECT position FROM receipt_nodes WHERE artifact = $1";

/// The writes of the log, which differ between the databases.
pub(in crate::database) trait SqlReceipts: Send + Sync {
    /// Begins the log, unless there is one.
    fn begin_log(
        &self,
        origin: &KeyName,
        secret: &LogSecret,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Returns `false`, and changes nothing, if the log has another size than expected.
    fn append_nodes(&self, batch: &ReceiptBatch) -> impl Future<Output = Result<bool>> + Send;
}

/// The columns of [`SELECT_LOG`].
#[derive(Debug)]
pub(super) struct LogRecord {
    origin: String,
    secret: Vec<u8>,
    size: i64,
}

impl Record for LogRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            origin: row.text(0)?,
            secret: row.bytes(1)?,
            size: row.integer(2)?,
        })
    }
}

impl LogRecord {
    pub(super) fn decode(self, operation: Operation) -> Result<ReceiptLogState> {
        let decoder = Decoder(operation.into());
        Ok(ReceiptLogState::new(
            decoder.parse("origin", &self.origin)?,
            LogSecret::from_bytes(decoder.bytes("secret", &self.secret)?),
            number(decoder, "size", self.size)?,
        ))
    }
}

/// The columns of [`SELECT_QUEUE`].
#[derive(Debug)]
pub(super) struct QueuedRecord {
    number: i64,
    artifact: Vec<u8>,
    experiment: String,
    created_by: String,
    size: i64,
    sha256: Vec<u8>,
    created_at: i64,
}

impl Record for QueuedRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            number: row.integer(0)?,
            artifact: row.bytes(1)?,
            experiment: row.text(2)?,
            created_by: row.text(3)?,
            size: row.integer(4)?,
            sha256: row.bytes(5)?,
            created_at: row.integer(6)?,
        })
    }
}

impl QueuedRecord {
    pub(super) fn decode(self, operation: Operation) -> Result<QueuedReceipt> {
        let decoder = Decoder(operation.into());
        Ok(QueuedReceipt {
            number: self.number,
            id: ArtifactId::from_bytes(decoder.bytes("artifact", &self.artifact)?),
            experiment: decoder.parse("experiment", &self.experiment)?,
            created_by: decoder.parse("created_by", &self.created_by)?,
            size: number(decoder, "size", self.size)?,
            sha256: Sha256Digest::from_bytes(decoder.bytes("sha256", &self.sha256)?),
            created_at: decoder.time("created_at", self.created_at)?,
        })
    }
}

/// The columns of [`SELECT_LEAVES`].
#[derive(Debug)]
pub(super) struct LeafRecord {
    position: i64,
    artifact: Vec<u8>,
    hash: Vec<u8>,
}

impl Record for LeafRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            position: row.integer(0)?,
            artifact: row.bytes(1)?,
            hash: row.bytes(2)?,
        })
    }
}

impl LeafRecord {
    pub(super) fn decode(self) -> Result<(u64, ArtifactId, TreeHash), BoxError> {
        let decoder = Decoder(Operation::Dump.into());
        Ok((
            number(decoder, "position", self.position)?,
            ArtifactId::from_bytes(decoder.bytes("artifact", &self.artifact)?),
            TreeHash::from_bytes(decoder.bytes("hash", &self.hash)?),
        ))
    }
}

/// A hash.
#[derive(Debug)]
struct HashRecord(Vec<u8>);

impl Record for HashRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.bytes(0).map(Self)
    }
}

/// The index of a leaf.
#[derive(Debug)]
struct IndexRecord(i64);

impl Record for IndexRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.integer(0).map(Self)
    }
}

fn number(decoder: Decoder, column: &str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| decoder.corrupt(column, error))
}

#[async_trait]
impl<D: SqlDatabase> ReceiptRecord for D {
    async fn begin_receipt_log(
        &self,
        origin: &KeyName,
        secret: &LogSecret,
    ) -> Result<ReceiptLogState> {
        self.begin_log(origin, secret).await?;
        let stored = ReceiptRecord::receipt_log(self).await?;
        stored.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, Operation::Receipt)
                .with_detail("the log of receipts was begun but cannot be found")
        })
    }

    async fn receipt_log(&self) -> Result<Option<ReceiptLogState>> {
        let record = self.query_one(Operation::Receipt, SELECT_LOG, []);
        let record: Option<LogRecord> = record.await?;
        record
            .map(|record| record.decode(Operation::Receipt))
            .transpose()
    }

    async fn queued_receipts(&self, limit: u32) -> Result<Vec<QueuedReceipt>> {
        let params = params![i64::from(clamped_batch(limit))];
        let records = self.query(Operation::Receipt, SELECT_FIRST, params);
        let records: Vec<QueuedRecord> = records.await?;
        let records = records.into_iter();
        records
            .map(|record| record.decode(Operation::Receipt))
            .collect()
    }

    async fn append_receipts(&self, batch: &ReceiptBatch) -> Result<bool> {
        self.append_nodes(batch).await
    }

    async fn receipt_nodes(&self, level: u8, nodes: Range<u64>) -> Result<Vec<TreeHash>> {
        let end = nodes.end.min(nodes.start.saturating_add(256));
        let params = params![i64::from(level), stored(nodes.start), stored(end)];
        let records = self.query(Operation::Receipt, SELECT_NODES, params);
        let records: Vec<HashRecord> = records.await?;
        let decoder = Decoder(Operation::Receipt.into());
        let hashes = records.iter();
        hashes
            .map(|record| Ok(TreeHash::from_bytes(decoder.bytes("hash", &record.0)?)))
            .collect()
    }

    async fn receipt_index(&self, id: ArtifactId) -> Result<Option<u64>> {
        let params = params![id.as_bytes().as_slice()];
        let record = self.query_one(Operation::Receipt, SELECT_INDEX, params);
        let record: Option<IndexRecord> = record.await?;
        let decoder = Decoder(Operation::Receipt.into());
        record
            .map(|record| number(decoder, "position", record.0))
            .transpose()
    }
}
