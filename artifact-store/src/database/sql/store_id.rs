//! The store id in a SQL database.

use artifact_backend::{ArtifactId, StoreId};
use async_trait::async_trait;

use super::records::Decoder;
use super::{Columns, Command, Param, Record, SqlDatabase, params};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::store_id::StoreIdRecord;

const SELECT_STORE_ID: &str = "SELECT id FROM store_id";
const SELECT_PROPOSAL: &str = "SELECT id FROM proposed_store_ids WHERE id = $1";
const SELECT_SOME_ROWS: &str = "\
    SELECT id FROM artifact_rows WHERE removed_at IS NULL ORDER BY id LIMIT 8";
const PROPOSE: &str = "INSERT INTO proposed_store_ids (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
// SQLite and PostgreSQL both know `true`; the column has the only value that its check allows.
const CONFIRM: &str = "\
    INSERT INTO store_id (only_row, id) VALUES (true, $1) ON CONFLICT (only_row) DO NOTHING";
const REPLACE: &str = "\
    INSERT INTO store_id (only_row, id) VALUES (true, $1) \
    ON CONFLICT (only_row) DO UPDATE SET id = excluded.id";

/// A write of a store id.
#[derive(Debug, Clone, Copy)]
pub(in crate::database) enum StoreIdCommand {
    Propose(StoreId),
    Confirm(StoreId),
    Replace(StoreId),
}

impl StoreIdCommand {
    /// Returns the statement and its parameters. Each can be repeated.
    pub(super) fn statement(self) -> (&'static str, [Param; 1]) {
        let (statement, id) = match self {
            Self::Propose(id) => (PROPOSE, id),
            Self::Confirm(id) => (CONFIRM, id),
            Self::Replace(id) => (REPLACE, id),
        };
        (statement, params![id.as_bytes().as_slice()])
    }
}

#[async_trait]
impl<D: SqlDatabase> StoreIdRecord for D {
    async fn store_id(&self) -> Result<Option<StoreId>> {
        let record = self.query_one(Operation::JoinHalves, SELECT_STORE_ID, []);
        let record: Option<IdRecord> = record.await?;
        let id = record.map(IdRecord::decode).transpose()?;
        Ok(id.map(StoreId::from_bytes))
    }

    async fn propose_store_id(&self, id: StoreId) -> Result<()> {
        self.write(Command::StoreId(StoreIdCommand::Propose(id)))
            .await
    }

    async fn has_proposed_store_id(&self, id: StoreId) -> Result<bool> {
        let params = params![id.as_bytes().as_slice()];
        let record = self.query_one(Operation::JoinHalves, SELECT_PROPOSAL, params);
        let record: Option<IdRecord> = record.await?;
        Ok(record.is_some())
    }

    async fn confirm_store_id(&self, id: StoreId) -> Result<StoreId> {
        self.write(Command::StoreId(StoreIdCommand::Confirm(id)))
            .await?;
        let stored = StoreIdRecord::store_id(self).await?;
        stored.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, Operation::JoinHalves)
                .with_detail("the store id was written but cannot be found")
        })
    }

    async fn replace_store_id(&self, id: StoreId) -> Result<()> {
        self.write(Command::StoreId(StoreIdCommand::Replace(id)))
            .await
    }

    async fn some_rows(&self) -> Result<Vec<ArtifactId>> {
        let records = self.query(Operation::JoinHalves, SELECT_SOME_ROWS, []);
        let records: Vec<IdRecord> = records.await?;
        let ids = records.into_iter().map(IdRecord::decode);
        ids.map(|id| id.map(ArtifactId::from_bytes)).collect()
    }
}

/// An id of 16 bytes.
#[derive(Debug)]
struct IdRecord(Vec<u8>);

impl Record for IdRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.bytes(0).map(Self)
    }
}

impl IdRecord {
    fn decode(self) -> Result<[u8; 16]> {
        Decoder(Operation::JoinHalves.into()).bytes("id", &self.0)
    }
}
