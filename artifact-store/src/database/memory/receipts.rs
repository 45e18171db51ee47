//! The log of receipts of a database in memory.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Range;

use artifact_backend::ArtifactId;
use artifact_receipt::{KeyName, LogSecret, TreeHash};
use async_trait::async_trait;

use super::MemoryDatabase;
use crate::dump::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::receipts::{
    CopiedLog, QueuedReceipt, ReceiptBatch, ReceiptLogState, ReceiptNode, ReceiptRecord,
    clamped_batch,
};
use crate::row::Row;

/// The log, if one has begun.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    state: Option<ReceiptLogState>,
    /// By level and index.
    nodes: BTreeMap<(u8, u64), TreeHash>,
    indexes: HashMap<ArtifactId, u64>,
    queue: VecDeque<QueuedReceipt>,
    last_number: i64,
    /// The tree of a copy that is being loaded.
    copied: CopiedLog,
}

impl Receipts {
    pub(super) fn is_empty(&self) -> bool {
        self.state.is_none()
    }

    /// Queues a new row, if a log has begun.
    pub(super) fn enqueue(&mut self, row: &Row) {
        if self.state.is_some() {
            self.last_number += 1;
            self.queue
                .push_back(QueuedReceipt::of(self.last_number, row));
        }
    }

    fn insert(&mut self, new: &ReceiptNode) {
        let ReceiptNode { node, artifact } = new;
        self.nodes.insert((node.level, node.index), node.hash);
        self.indexes.extend(artifact.map(|id| (id, node.index)));
    }

    fn append(&mut self, batch: &ReceiptBatch) -> bool {
        let Some(state) = &mut self.state else {
            return false;
        };
        if state.size != batch.expected_size {
            return false;
        }
        state.size = batch.new_size;
        for node in &batch.nodes {
            self.insert(node);
        }
        let appended: HashSet<_> = batch.numbers.iter().collect();
        self.queue
            .retain(|queued| !appended.contains(&queued.number));
        true
    }

    /// Appends the records of a snapshot.
    pub(super) fn add_records(&self, records: &mut VecDeque<DumpRecord>) {
        let Some(state) = &self.state else {
            return;
        };
        records.push_back(DumpRecord::ReceiptLog {
            origin: state.origin.clone(),
            secret: state.secret.clone(),
        });
        let artifacts: HashMap<_, _> = self.indexes.iter().map(|(id, at)| (*at, *id)).collect();
        let leaves = self.nodes.iter().filter(|((level, _), _)| *level == 0);
        records.extend(leaves.filter_map(|((_, index), hash)| {
            Some(DumpRecord::Receipt {
                index: *index,
                artifact: *artifacts.get(index)?,
                hash: *hash,
            })
        }));
        records.extend(self.queue.iter().cloned().map(DumpRecord::QueuedReceipt));
    }

    pub(super) fn load_log(&mut self, origin: KeyName, secret: LogSecret) -> bool {
        let is_new = self.state.is_none();
        self.state = Some(ReceiptLogState::new(origin, secret, 0));
        is_new
    }

    pub(super) fn load(&mut self, index: u64, artifact: ArtifactId, hash: TreeHash) -> Result<()> {
        for node in self.copied.push(index, artifact, hash)? {
            self.insert(&node);
        }
        match &mut self.state {
            Some(state) => state.size = self.copied.size(),
            None => {
                return Err(Error::new(ErrorKind::Corrupt, Operation::Dump)
                    .with_detail("the copy has an entry of a log of receipts, but no log"));
            }
        }
        Ok(())
    }

    pub(super) fn load_queued(&mut self, mut queued: QueuedReceipt) {
        self.last_number += 1;
        queued.number = self.last_number;
        self.queue.push_back(queued);
    }
}

#[async_trait]
impl ReceiptRecord for MemoryDatabase {
    async fn begin_receipt_log(
        &self,
        origin: &KeyName,
        secret: &LogSecret,
    ) -> Result<ReceiptLogState> {
        let mut maps = self.writable(Operation::Receipt)?;
        let state = maps
            .rows
            .receipts
            .state
            .get_or_insert_with(|| ReceiptLogState::new(origin.clone(), secret.clone(), 0));
        Ok(state.clone())
    }

    async fn receipt_log(&self) -> Result<Option<ReceiptLogState>> {
        Ok(self.maps().rows.receipts.state.clone())
    }

    async fn queued_receipts(&self, limit: u32) -> Result<Vec<QueuedReceipt>> {
        let maps = self.maps();
        let queue = maps.rows.receipts.queue.iter();
        let limit = clamped_batch(limit) as usize;
        Ok(queue.take(limit).cloned().collect())
    }

    async fn append_receipts(&self, batch: &ReceiptBatch) -> Result<bool> {
        let mut maps = self.writable(Operation::Receipt)?;
        Ok(maps.rows.receipts.append(batch))
    }

    async fn receipt_nodes(&self, level: u8, nodes: Range<u64>) -> Result<Vec<TreeHash>> {
        let end = nodes.end.min(nodes.start.saturating_add(256));
        let maps = self.maps();
        let found = maps
            .rows
            .receipts
            .nodes
            .range((level, nodes.start)..(level, end));
        Ok(found.map(|(_, hash)| *hash).collect())
    }

    async fn receipt_index(&self, id: ArtifactId) -> Result<Option<u64>> {
        Ok(self.maps().rows.receipts.indexes.get(&id).copied())
    }
}
