//! The log of receipts in a PostgreSQL database. The functions of the schema do the work, each in one round trip.

use artifact_receipt::{KeyName, LogSecret};

use super::PostgresDatabase;
use super::durable::durable;
use super::query::value;
use super::removal::{YesRecord, is_yes};
use crate::database::sql::{Lane, SqlReceipts, stored};
use crate::error::{Operation, Result};
use crate::receipts::{ReceiptBatch, ReceiptNode};

const BEGIN: &str = concat!("SELECT receipt_log_begin($1, $2), ", durable!());
const APPEND: &str = concat!(
    "SELECT receipt_append($1, $2, $3, $4, $5, $6, $7), ",
    durable!()
);
pub(super) const LOAD_LOG: &str = "\
    INSERT INTO receipt_log (only_row, origin, secret, size) VALUES (true, $1, $2, 0)";
pub(super) const QUEUE_ROWS: &str = "SELECT receipt_queue_rows()";
pub(super) const LOAD_NODES: &str = "\
    INSERT INTO receipt_nodes (level, position, hash, artifact) \
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])";
pub(super) const SET_SIZE: &str = "UPDATE receipt_log SET size = $1";
pub(super) const LOAD_QUEUE: &str = "\
    INSERT INTO receipt_queue (artifact, experiment, created_by, size, sha256, created_at) \
    SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[])";

/// Nodes by their columns.
pub(super) struct NodeColumns {
    pub(super) levels: Vec<i64>,
    pub(super) positions: Vec<i64>,
    pub(super) hashes: Vec<Vec<u8>>,
    pub(super) artifacts: Vec<Option<Vec<u8>>>,
}

impl NodeColumns {
    pub(super) fn of(nodes: &[ReceiptNode]) -> Self {
        let each = nodes.iter();
        Self {
            levels: each.clone().map(|new| i64::from(new.node.level)).collect(),
            positions: each.clone().map(|new| stored(new.node.index)).collect(),
            hashes: each
                .clone()
                .map(|new| new.node.hash.as_bytes().to_vec())
                .collect(),
            artifacts: each
                .map(|new| new.artifact.map(|id| id.as_bytes().to_vec()))
                .collect(),
        }
    }
}

impl SqlReceipts for PostgresDatabase {
    async fn begin_log(&self, origin: &KeyName, secret: &LogSecret) -> Result<()> {
        let values = vec![
            value(origin.as_str().to_owned()),
            value(secret.expose_bytes().to_vec()),
        ];
        let begun = self.rows(Lane::Lookup, Operation::Receipt, BEGIN, values);
        let _: Vec<YesRecord> = begun.await?;
        Ok(())
    }

    /// Repeats the statement if its answer is lost. If it was done before, the size no longer fits, and the answer is `false`.
    async fn append_nodes(&self, batch: &ReceiptBatch) -> Result<bool> {
        let columns = NodeColumns::of(&batch.nodes);
        let values = vec![
            value(stored(batch.expected_size)),
            value(stored(batch.new_size)),
            value(columns.levels),
            value(columns.positions),
            value(columns.hashes),
            value(columns.artifacts),
            value(batch.numbers.clone()),
        ];
        let appended = self.rows(Lane::Lookup, Operation::Receipt, APPEND, values);
        Ok(is_yes(&appended.await?))
    }
}
