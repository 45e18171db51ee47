//! The trait of a database that keeps the log of receipts.

use std::fmt::Debug;
use std::ops::Range;

use artifact_backend::{ArtifactId, Sha256Digest};
use artifact_receipt::{HashNode, KeyName, LogSecret, TreeHash};
use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::row::Row;

/// What a database keeps of its log beside the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiptLogState {
    /// The name of the log.
    pub origin: KeyName,
    /// What the salts are derived from.
    pub secret: LogSecret,
    /// The number of leaves. They are durable.
    pub size: u64,
}

impl ReceiptLogState {
    /// Creates a state.
    pub fn new(origin: KeyName, secret: LogSecret, size: u64) -> Self {
        Self {
            origin,
            secret,
            size,
        }
    }
}

/// An artifact that has no leaf yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedReceipt {
    /// The number in the queue.
    pub number: i64,
    /// The artifact, which may have been removed meanwhile.
    pub id: ArtifactId,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// Its depositor.
    pub created_by: PrincipalId,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// When its row was created.
    pub created_at: Timestamp,
}

impl QueuedReceipt {
    /// Takes what a leaf is made of from a row.
    pub fn of(number: i64, row: &Row) -> Self {
        Self {
            number,
            id: row.id,
            experiment: row.experiment.clone(),
            created_by: row.created_by.clone(),
            size: row.size,
            sha256: row.sha256,
            created_at: row.created_at,
        }
    }
}

/// A node of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiptNode {
    /// The node.
    pub node: HashNode,
    /// The artifact whose leaf it is. `None` above level 0.
    pub artifact: Option<ArtifactId>,
}

impl ReceiptNode {
    /// Creates a node.
    pub fn new(node: HashNode, artifact: Option<ArtifactId>) -> Self {
        Self { node, artifact }
    }
}

/// Leaves to append, and what follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiptBatch {
    /// The size of the log before.
    pub expected_size: u64,
    /// Its size after.
    pub new_size: u64,
    /// The new nodes.
    pub nodes: Vec<ReceiptNode>,
    /// The numbers in the queue of the artifacts that have leaves now.
    pub numbers: Vec<i64>,
}

impl ReceiptBatch {
    /// Creates an empty batch for a log of this size.
    pub fn new(size: u64) -> Self {
        Self {
            expected_size: size,
            new_size: size,
            ..Self::default()
        }
    }
}

/// How many artifacts a batch has at most.
///
/// The ids of a batch are spread over the whole index of the leaves, and each page of it that a transaction changes is written once. So
/// larger batches write fewer bytes for each leaf, which `bench/receipt_batches.py` measures. A larger batch also keeps deposits waiting
/// for longer.
pub(crate) const MAX_BATCH: u32 = 4_000;

/// Returns the number of artifacts of a batch.
pub(crate) fn clamped_batch(limit: u32) -> u32 {
    limit.clamp(1, MAX_BATCH)
}

/// Keeps the log of receipts: a queue of artifacts, and a tree of hashes that only grows. It is in the same database as the
/// [`Catalog`](crate::Catalog).
///
/// - From [`begin_receipt_log`](Self::begin_receipt_log) on, whatever inserts a row puts it into the queue in the same transaction. It stays
///   there until it is in the tree, also if the row is removed.
/// - A node never changes and is never removed. The database itself refuses that.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve, every write with `OutOfSpace`. If the
///   future of a write is dropped or it fails with `Unavailable`, the write is done or not done.
#[async_trait]
pub trait ReceiptRecord: Debug + Send + Sync + 'static {
    /// Begins the log, unless there is one, and returns the stored one. Rows that are there already are not queued.
    async fn begin_receipt_log(
        &self,
        origin: &KeyName,
        secret: &LogSecret,
    ) -> Result<ReceiptLogState>;

    /// Returns the log, if one has begun.
    async fn receipt_log(&self) -> Result<Option<ReceiptLogState>>;

    /// Returns the first artifacts in the queue, at most `limit` (1 to 4,000; other numbers are clamped).
    async fn queued_receipts(&self, limit: u32) -> Result<Vec<QueuedReceipt>>;

    /// Appends nodes, sets the size and removes the artifacts from the queue, all or nothing. Returns `false`, and changes nothing, if the
    /// log has another size than expected.
    async fn append_receipts(&self, batch: &ReceiptBatch) -> Result<bool>;

    /// Returns the hashes of nodes of a level in their order, at most 256. Those that are not there are left out.
    async fn receipt_nodes(&self, level: u8, nodes: Range<u64>) -> Result<Vec<TreeHash>>;

    /// Returns the index of the leaf of an artifact, if it has one.
    async fn receipt_index(&self, id: ArtifactId) -> Result<Option<u64>>;
}
