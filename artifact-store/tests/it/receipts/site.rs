//! Databases with a log, and rows in them.

use std::sync::Arc;

use artifact_store::artifact_receipt::{
    Checkpoint, ReceiptFile, SignedNote, SigningKey, TileId, VerifiedReceipt,
};
use artifact_store::{
    ArtifactId, Database, Experiment, MemoryDatabase, Principal, ReadGrant, ReceiptLog, Row,
    authorize,
};

use crate::support::{experiment, other_experiment, row, time};

pub(super) const NAME: &str = "example.com/store";

pub(super) fn key_of(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name.parse().unwrap(), &[seed; 32])
}

pub(super) async fn open(database: &Database) -> ReceiptLog {
    let log = ReceiptLog::open(database.receipts.clone(), key_of(NAME, 7));
    log.await.unwrap()
}

pub(super) async fn host(database: &Database) {
    for id in [experiment(), other_experiment()] {
        let new = Experiment::new(id, time(1));
        database.catalog.create_experiment(&new).await.unwrap();
    }
}

pub(super) async fn in_memory() -> Database {
    let database = Database::new(MemoryDatabase::new());
    host(&database).await;
    database
}

/// Returns a row with another id for each number.
pub(super) fn numbered(n: u32) -> Row {
    let mut bytes = [0x3c; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    let mut numbered = row(1);
    numbered.id = ArtifactId::from_bytes(bytes);
    numbered.size = u64::from(n);
    numbered
}

pub(super) async fn insert(database: &Database, numbers: std::ops::Range<u32>) {
    for n in numbers {
        database.catalog.insert(&numbered(n)).await.unwrap();
    }
}

pub(super) fn grant(row: &Row) -> ReadGrant {
    authorize(&Principal::admin(), Arc::new(row.clone())).unwrap()
}

/// Appends until the queue is empty, and returns how many artifacts got a leaf.
pub(super) async fn append_all(log: &ReceiptLog) -> u64 {
    let mut sum = 0;
    loop {
        match log.append_queued().await.unwrap() {
            0 => return sum,
            appended => sum += appended,
        }
    }
}

/// Returns what the receipt of a row with its proof shows.
pub(super) async fn proven(log: &ReceiptLog, row: &Row) -> VerifiedReceipt {
    let text = log.receipt(&grant(row)).await.unwrap().to_string();
    verify(log, &text, row)
}

/// Verifies the text of a receipt of a row.
pub(super) fn verify(log: &ReceiptLog, text: &str, row: &Row) -> VerifiedReceipt {
    let verified = ReceiptFile::parse(text).unwrap();
    let verified = verified.verify(&[log.verifier()]).unwrap();
    let statement = &verified.statement;
    assert_eq!(statement.id, row.id);
    assert_eq!(statement.experiment, row.experiment.as_str());
    assert_eq!(statement.depositor, row.created_by.as_str());
    assert_eq!((statement.size, statement.sha256), (row.size, row.sha256));
    assert_eq!(statement.created_at, row.created_at);
    verified
}

pub(super) async fn checkpoint(log: &ReceiptLog) -> Checkpoint {
    read(log, &log.checkpoint().await.unwrap())
}

pub(super) fn read(log: &ReceiptLog, note: &SignedNote) -> Checkpoint {
    Checkpoint::verify(note, &[log.verifier()]).unwrap()
}

/// Returns the bytes of all hashes of level 0.
pub(super) async fn leaves(log: &ReceiptLog, size: u64) -> Vec<u8> {
    let mut leaves = Vec::new();
    for number in 0..size.div_ceil(256) {
        let tile = TileId::in_tree(0, number, size).unwrap();
        leaves.extend(log.tile(tile).await.unwrap().unwrap());
    }
    leaves
}
