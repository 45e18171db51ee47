//! The log of receipts of a store.

use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use artifact_backend::{ArtifactId, random};
use artifact_receipt::{
    Checkpoint, Frontier, InclusionProof, LogSecret, ReceiptError, ReceiptErrorKind, ReceiptFile,
    SignedNote, SigningKey, Statement, TileId, TileSet, TreeHash, VerifierKey, consistency_proof,
    verify_consistency,
};
use tokio::sync::Mutex;

use super::record::{
    MAX_BATCH, QueuedReceipt, ReceiptBatch, ReceiptLogState, ReceiptNode, ReceiptRecord,
};
use crate::authorize::ReadGrant;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::row::Row;

/// How often an append is tried again because another server has appended.
const ATTEMPTS: usize = 16;

/// How many batches a request appends before it gives up its wait for the leaf of one artifact.
const BATCHES_FOR_ONE: usize = 4;

/// The signed receipts of a store, and the log of them. A clone shares the same state.
///
/// A receipt is a function of the row, of the secret of the log and of the key, so a deposit writes nothing for it but one line of
/// a queue, in the transaction of the row. [`append_queued`](Self::append_queued) moves the queue into the tree. Any number of servers
/// on one database may do that at the same time.
///
/// A checkpoint is signed only for leaves that are durable. This process signs none for a tree that lacks a leaf of one that it
/// signed before. An old copy of a database, which lacks leaves of published checkpoints, must not be used with the same name of the
/// log: see `docs/receipts.md`.
///
/// ```
/// # use std::sync::Arc;
/// # use artifact_receipt::{ReceiptFile, SigningKey};
/// # use artifact_store::{ArtifactId, Database, ExperimentId, MemoryDatabase, ReceiptLog, Row, Sha256Digest, Timestamp, PrincipalId};
/// # async fn example(database: Database, row: Row) -> Result<(), Box<dyn std::error::Error>> {
/// let key: SigningKey = "PRIVATE+KEY+…".parse()?;
/// let log = ReceiptLog::open(database.receipts.clone(), key).await?;
/// let receipt = log.sign(&row)?; // at the deposit
///
/// log.append_queued().await?; // every second
/// let checkpoint = log.checkpoint().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ReceiptLog {
    shared: Arc<SharedLog>,
}

#[derive(Debug)]
struct SharedLog {
    record: Arc<dyn ReceiptRecord>,
    key: SigningKey,
    secret: LogSecret,
    /// The right edge of the tree, as far as it is known. Locked while leaves are appended.
    edge: Mutex<Option<Frontier>>,
    /// The last checkpoint that was signed.
    signed: SyncMutex<Option<SignedTree>>,
}

#[derive(Debug, Clone)]
struct SignedTree {
    size: u64,
    root: TreeHash,
    note: SignedNote,
}

impl ReceiptLog {
    /// Opens the log of a database, or begins it under the name of the key.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the log has another name than the key; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn open(record: Arc<dyn ReceiptRecord>, key: SigningKey) -> Result<Self> {
        let stored = if let Some(stored) = record.receipt_log().await? {
            stored
        } else {
            let secret = LogSecret::from_bytes(random::bytes());
            record.begin_receipt_log(key.name(), &secret).await?
        };
        if stored.origin != *key.name() {
            let detail = format!(
                "the log of receipts of this database is {}, but the key is of {}; use a key with the name of the log",
                stored.origin,
                key.name()
            );
            return Err(
                Error::new(ErrorKind::Misconfigured, Operation::Receipt).with_detail(detail)
            );
        }
        Ok(Self {
            shared: Arc::new(SharedLog {
                record,
                key,
                secret: stored.secret,
                edge: Mutex::new(None),
                signed: SyncMutex::new(None),
            }),
        })
    }

    /// Returns the public key that verifies receipts and checkpoints.
    pub fn verifier(&self) -> VerifierKey {
        self.shared.key.verifier()
    }

    /// Signs the receipt of a row, which must be durable. Does no I/O; takes some 30 microseconds.
    ///
    /// # Errors
    ///
    /// `Unexpected` if a value of the row cannot be part of a receipt, which is so for none that this crate writes.
    pub fn sign(&self, row: &Row) -> Result<ReceiptFile> {
        let statement = self.shared.statement(&QueuedReceipt::of(0, row));
        let receipt = statement.sign(&self.shared.key).map_err(failed(row.id))?;
        Ok(ReceiptFile::new(receipt))
    }

    /// Returns the receipt of an artifact with the proof that the log has it. Appends to the log first if it has it not yet.
    ///
    /// # Errors
    ///
    /// `NotFound` if the artifact was deposited before the log began; `Unavailable`, also if many artifacts wait for their leaves;
    /// `Corrupt` if the stored log is damaged; the kinds that an operator must resolve.
    pub async fn receipt(&self, grant: &ReadGrant) -> Result<ReceiptFile> {
        let row = grant.shared_row();
        let file = self.sign(row)?;
        let index = self.find_index(row.id).await?;
        let tree = self.signed_tree().await?;
        if index >= tree.size {
            return Err(
                corrupt("the index of a leaf is beyond the size of the log").with_id(row.id)
            );
        }
        let needed = TileSet::needed_for_inclusion(index, tree.size);
        let tiles = self.load(needed).await?;
        let proof = InclusionProof::of(&tiles, index, tree.size).map_err(failed(row.id))?;
        let file = file.with_proof(proof.with_checkpoint(tree.note));
        // A proof that would be refused by its reader is not handed out.
        file.verify(&[self.verifier()]).map_err(failed(row.id))?;
        Ok(file)
    }

    async fn find_index(&self, id: ArtifactId) -> Result<u64> {
        for _ in 0..BATCHES_FOR_ONE {
            if let Some(index) = self.shared.record.receipt_index(id).await? {
                return Ok(index);
            }
            if self.append_queued().await? == 0 {
                // Another server may have appended it meanwhile.
                let index = self.shared.record.receipt_index(id).await?;
                return index.ok_or_else(|| {
                    Error::new(ErrorKind::NotFound, Operation::Receipt)
                        .with_id(id)
                        .with_detail("the artifact was deposited before the log of receipts began")
                });
            }
        }
        Err(Error::new(ErrorKind::Unavailable, Operation::Receipt)
            .with_id(id)
            .with_detail("many artifacts wait for the log of receipts; try again"))
    }

    /// Appends a batch of up to 4,000 artifacts to the log, and returns how many. 0 means that none waits.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace`, `Corrupt` if the stored log is damaged, and the kinds that an operator must resolve. A part of a
    /// batch is never appended.
    pub async fn append_queued(&self) -> Result<u64> {
        let record = &self.shared.record;
        let mut edge = self.shared.edge.lock().await;
        for _ in 0..ATTEMPTS {
            let queued = record.queued_receipts(MAX_BATCH).await?;
            if queued.is_empty() {
                return Ok(0);
            }
            // Not put back after a failure: it is then unknown what the log has.
            let mut grown = match edge.take() {
                Some(known) => known,
                None => self.load_edge(self.state().await?.size).await?,
            };
            let batch = self.shared.append(&mut grown, &queued)?;
            if record.append_receipts(&batch).await? {
                *edge = Some(grown);
                return Ok(queued.len() as u64);
            }
        }
        Err(Error::new(ErrorKind::Unavailable, Operation::Receipt)
            .with_detail("other servers append to the log of receipts; try again"))
    }

    /// Returns the signed checkpoint of all leaves that are in the log.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the log lacks a leaf of a checkpoint that this process has signed before: the database was replaced by an older
    /// one. `Unavailable` and the kinds that an operator must resolve.
    pub async fn checkpoint(&self) -> Result<SignedNote> {
        self.signed_tree().await.map(|tree| tree.note)
    }

    /// Returns the hashes of a tile, one after the other, or `None` if the log does not have them all yet.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    pub async fn tile(&self, tile: TileId) -> Result<Option<Vec<u8>>> {
        let nodes = self.shared.record.receipt_nodes(tile.level(), tile.nodes());
        let hashes = nodes.await?;
        let is_whole = hashes.len() == usize::from(tile.width());
        Ok(is_whole.then(|| hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()))
    }

    async fn state(&self) -> Result<ReceiptLogState> {
        let state = self.shared.record.receipt_log().await?;
        state.ok_or_else(|| corrupt("the log of receipts was removed from the database"))
    }

    async fn signed_tree(&self) -> Result<SignedTree> {
        let size = self.state().await?.size;
        let before = self.shared.last_signed();
        if let Some(before) = &before {
            if before.size == size {
                return Ok(before.clone());
            }
            if before.size > size {
                return Err(shrunk());
            }
        }
        let old_size = before.as_ref().map_or(0, |before| before.size);
        let tiles = self
            .load(TileSet::needed_for_consistency(old_size, size))
            .await?;
        let root = tiles.root(size).map_err(damaged)?;
        if let Some(before) = &before {
            let proof = consistency_proof(&tiles, before.size, size).map_err(damaged)?;
            let checked = verify_consistency((before.size, before.root), (size, root), &proof);
            checked.map_err(|_| shrunk())?;
        }
        let origin = self.shared.key.name().clone();
        let note = Checkpoint::new(origin, size, root).sign(&self.shared.key);
        let tree = SignedTree { size, root, note };
        self.shared.remember(&tree);
        Ok(tree)
    }

    async fn load_edge(&self, size: u64) -> Result<Frontier> {
        let mut tiles = Vec::new();
        for tile in Frontier::tiles(size) {
            let nodes = self.shared.record.receipt_nodes(tile.level(), tile.nodes());
            tiles.push(nodes.await?);
        }
        Frontier::from_tiles(size, tiles).map_err(damaged)
    }

    async fn load(&self, needed: Vec<TileId>) -> Result<TileSet> {
        let mut tiles = TileSet::default();
        for tile in needed {
            let nodes = self.shared.record.receipt_nodes(tile.level(), tile.nodes());
            tiles.insert(tile, nodes.await?);
        }
        Ok(tiles)
    }
}

impl SharedLog {
    /// Returns what the receipt of an artifact says, which is also its leaf.
    fn statement(&self, of: &QueuedReceipt) -> Statement {
        Statement {
            log: self.key.name().clone(),
            id: of.id,
            experiment: of.experiment.as_str().to_owned(),
            depositor: of.created_by.as_str().to_owned(),
            size: of.size,
            sha256: of.sha256,
            created_at: of.created_at,
            salt: self.secret.salt(of.id),
        }
    }

    fn append(&self, edge: &mut Frontier, queued: &[QueuedReceipt]) -> Result<ReceiptBatch> {
        let mut batch = ReceiptBatch::new(edge.size());
        for each in queued {
            let leaf = self.statement(each).leaf_hash().map_err(failed(each.id))?;
            let nodes = edge.push(leaf).into_iter();
            let artifact = |level| (level == 0).then_some(each.id);
            batch
                .nodes
                .extend(nodes.map(|node| ReceiptNode::new(node, artifact(node.level))));
            batch.numbers.push(each.number);
        }
        batch.new_size = edge.size();
        Ok(batch)
    }

    fn last_signed(&self) -> Option<SignedTree> {
        self.signed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Remembers a tree, unless a larger one was signed meanwhile.
    fn remember(&self, tree: &SignedTree) {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if signed.as_ref().is_none_or(|before| before.size < tree.size) {
            *signed = Some(tree.clone());
        }
    }
}

fn failed(id: ArtifactId) -> impl Fn(ReceiptError) -> Error {
    move |error| {
        let kind = match error.kind() {
            ReceiptErrorKind::MissingHash | ReceiptErrorKind::WrongProof => ErrorKind::Corrupt,
            _ => ErrorKind::Unexpected,
        };
        Error::new(kind, Operation::Receipt)
            .with_id(id)
            .with_source(error)
    }
}

fn damaged(error: ReceiptError) -> Error {
    corrupt("the stored log of receipts lacks hashes").with_source(error)
}

fn shrunk() -> Error {
    let detail = "the log of receipts lacks entries of a checkpoint that this server has signed: the database was replaced by an older copy";
    tracing::error!(
        alarm = "receipt-log",
        "{detail}; no checkpoint is signed until the server is restarted on the right database"
    );
    corrupt(detail)
}

fn corrupt(detail: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::Receipt).with_detail(detail)
}
