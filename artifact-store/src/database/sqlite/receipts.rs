//! The log of receipts in a SQLite file. Each write is a transaction, which holds the write lock of the file.

use artifact_receipt::{KeyName, LogSecret};
use rusqlite::{Connection, Params};

use super::SqliteDatabase;
use super::transaction::WriteError;
use crate::database::sql::{SqlReceipts, stored};
use crate::error::{Operation, Result};
use crate::receipts::{ReceiptBatch, ReceiptNode};

const IS_THERE: &str = "SELECT 1 FROM receipt_log";
pub(super) const BEGIN: &str =
    "INSERT INTO receipt_log (only_row, origin, secret, size) VALUES (1, $1, $2, 0)";
/// Queues rows from now on.
pub(super) const QUEUE_FROM_NOW: &str = "\
    CREATE TRIGGER IF NOT EXISTS artifact_rows_queued AFTER INSERT ON artifact_rows \
        WHEN NEW.removed_at IS NULL \
    BEGIN \
        INSERT INTO receipt_queue (artifact, experiment, created_by, size, sha256, created_at) \
        VALUES (NEW.id, NEW.experiment, NEW.created_by, NEW.size, NEW.sha256, NEW.created_at); \
    END;";
const GROW: &str = "UPDATE receipt_log SET size = $1 WHERE size = $2";
pub(super) const SET_SIZE: &str = "UPDATE receipt_log SET size = $1";
const INSERT_NODE: &str =
    "INSERT INTO receipt_nodes (level, position, hash, artifact) VALUES ($1, $2, $3, $4)";
const DELETE_QUEUED: &str = "DELETE FROM receipt_queue WHERE number = $1";

fn execute(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(statement)?.execute(params)
}

pub(super) fn insert_node(connection: &Connection, new: &ReceiptNode) -> rusqlite::Result<usize> {
    let ReceiptNode { node, artifact } = new;
    let artifact = artifact.as_ref().map(|id| id.as_bytes().as_slice());
    let values = (
        node.level,
        stored(node.index),
        node.hash.as_bytes(),
        artifact,
    );
    execute(connection, INSERT_NODE, values)
}

fn begin(connection: &Connection, origin: &str, secret: &[u8; 32]) -> Result<(), WriteError> {
    if connection.prepare_cached(IS_THERE)?.exists([])? {
        return Ok(());
    }
    connection.execute_batch(QUEUE_FROM_NOW)?;
    execute(connection, BEGIN, (origin, secret))?;
    Ok(())
}

/// Returns `false`, and changes nothing, if the log has another size than expected.
fn append(connection: &Connection, batch: &ReceiptBatch) -> Result<bool, WriteError> {
    let sizes = (stored(batch.new_size), stored(batch.expected_size));
    if execute(connection, GROW, sizes)? != 1 {
        return Ok(false);
    }
    for node in &batch.nodes {
        insert_node(connection, node)?;
    }
    for number in &batch.numbers {
        execute(connection, DELETE_QUEUED, [number])?;
    }
    Ok(true)
}

impl SqlReceipts for SqliteDatabase {
    async fn begin_log(&self, origin: &KeyName, secret: &LogSecret) -> Result<()> {
        let (origin, secret) = (origin.clone(), secret.clone());
        let work = move |connection: &_| begin(connection, origin.as_str(), secret.expose_bytes());
        self.writer.work(Operation::Receipt, false, work).await
    }

    async fn append_nodes(&self, batch: &ReceiptBatch) -> Result<bool> {
        let batch = batch.clone();
        let work = move |connection: &_| append(connection, &batch);
        self.writer.work(Operation::Receipt, true, work).await
    }
}
