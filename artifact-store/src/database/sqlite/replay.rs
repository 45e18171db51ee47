//! Rows that are also notes in the backend.

use artifact_backend::NotePosition;
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::SqliteDatabase;
use super::removal::{self, now};
use super::transaction::WriteError;
use crate::catalog::{Removal, ReplayCatalog, ReplayCounts, ReplayEvent};
use crate::database::rejected::{Rejected, is_inserted};
use crate::database::sql::{Columns, Command, Record, SqlDatabase as _, micros, new_row};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::file_name::FileName;
use crate::idempotency::IdempotencyKey;
use crate::row::Row;
use crate::time::Deadline;

const SELECT_POSITION: &str = "SELECT position FROM note_position";
const RECORD_POSITION: &str = "\
    INSERT INTO note_position (only_row, position) VALUES (1, $1) \
    ON CONFLICT (only_row) DO UPDATE SET position = excluded.position";
/// The bytes are in the backend that is open now.
const INSERT: &str = "\
    INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, \
        placement) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce((SELECT epoch FROM placement), 0) \
    WHERE NOT EXISTS (SELECT 1 FROM artifact_rows WHERE id = $1)";

/// Inserts a key that is still kept. Of two rows with one key, the later one has it.
const INSERT_KEY: &str = concat!(
    "INSERT INTO idempotency_keys (experiment, principal, key, id, expires_at) \
     SELECT $1, $2, $3, $4, $5 WHERE $5 > ",
    now!(),
    " ON CONFLICT (experiment, principal, key) DO UPDATE SET id = excluded.id, expires_at = excluded.expires_at \
      WHERE idempotency_keys.expires_at < excluded.expires_at"
);

/// The column `position`.
struct PositionRecord(Vec<u8>);

impl Record for PositionRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self(row.bytes(0)?))
    }
}

#[async_trait]
impl ReplayCatalog for SqliteDatabase {
    async fn insert_noted(
        &self,
        row: &Row,
        deadline: Option<&Deadline>,
        key: Option<&IdempotencyKey>,
    ) -> Result<bool> {
        let mut new = new_row(row, None, deadline)?.noted();
        if let Some(key) = key {
            new = new.with_key(key.clone());
        }
        let command = Command::InsertRow(Box::new(new), deadline.cloned());
        is_inserted(self.writer.write(command).await)
    }

    async fn replayed_to(&self) -> Result<Option<NotePosition>> {
        let record = self.query_one(Operation::CatchUp, SELECT_POSITION, []);
        let Some(PositionRecord(bytes)) = record.await? else {
            return Ok(None);
        };
        let position = bytes.try_into().map(NotePosition::from_bytes);
        position.map(Some).map_err(|_| {
            Error::new(ErrorKind::Corrupt, Operation::CatchUp)
                .with_detail("the position in the table note_position has another length")
        })
    }

    async fn record_replayed(&self, position: NotePosition) -> Result<()> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(RECORD_POSITION)?;
            statement.execute([position.as_bytes()])?;
            Ok::<_, WriteError>(())
        };
        self.writer.work(Operation::CatchUp, false, work).await
    }

    async fn replay(&self, events: Vec<ReplayEvent>) -> Result<ReplayCounts> {
        let work = move |connection: &Connection| {
            let mut counts = ReplayCounts::default();
            for event in &events {
                match event {
                    ReplayEvent::Stored(row, key) => {
                        counts.rows += insert(connection, row)?;
                        if let Some(key) = key {
                            insert_key(connection, row, key)?;
                        }
                    }
                    ReplayEvent::Deleted(id) => {
                        let is_removed = removal::delete(connection, *id)? == Removal::Removed;
                        counts.removed += u64::from(is_removed);
                    }
                }
            }
            Ok::<_, WriteError>(counts)
        };
        self.writer.work(Operation::CatchUp, true, work).await
    }
}

/// Inserts a row, unless its id has a row or a tombstone. Returns the number of new rows.
fn insert(connection: &Connection, row: &Row) -> Result<u64, WriteError> {
    let size = i64::try_from(row.size).map_err(|_| Rejected::SIZE)?;
    let mut statement = connection.prepare_cached(INSERT)?;
    let inserted = statement.execute(params![
        row.id.as_bytes(),
        row.experiment.as_str(),
        row.created_by.as_str(),
        size,
        row.content_type.as_str(),
        row.file_name.as_ref().map(FileName::as_str),
        row.sha256.as_bytes(),
        row.created_at.as_microsecond(),
        row.expires_at.map(Timestamp::as_microsecond),
    ])?;
    Ok(inserted as u64)
}

fn insert_key(connection: &Connection, row: &Row, key: &IdempotencyKey) -> Result<(), WriteError> {
    let created_at = row.created_at.as_microsecond();
    let expires_at = created_at.saturating_add(micros(IdempotencyKey::KEPT_FOR));
    let mut statement = connection.prepare_cached(INSERT_KEY)?;
    statement.execute(params![
        row.experiment.as_str(),
        row.created_by.as_str(),
        key.as_str(),
        row.id.as_bytes(),
        expires_at,
    ])?;
    Ok(())
}
