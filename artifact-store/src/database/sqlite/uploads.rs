//! The upload sessions in a SQLite file.

use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use rusqlite::{Connection, Params, params_from_iter};

use super::SqliteDatabase;
use super::removal::now;
use super::transaction::WriteError;
use crate::catalog::{check_number_of_ids, clamped_limit};
use crate::database::rejected::Rejected;
use crate::database::sql::{
    Lane, SqlDatabase, UploadIdRecord, UploadPartRecord, UploadSessionRecord, micros, params,
    stored_bytes, stored_epoch, upload_columns, upload_is_over, upload_lives_until, upload_params,
};
use crate::error::{Operation, Result};
use crate::time::Deadline;
use crate::uploads::{UploadId, UploadPart, UploadRecords, UploadSession};

// Numbered by SQLite itself: `$1` would be a name, numbered by its first appearance.
const COUNT_OPEN: &str = concat!(
    "SELECT count(*) FROM uploads WHERE experiment = ?1 AND created_by = ?2 \
        AND octet_length(artifact) = 0 AND NOT ",
    upload_is_over!(now!())
);
const CREATE: &str = concat!(
    "INSERT INTO uploads (id, experiment, created_by, content_type, file_name, expires_in, sha256, placement, \
        length, expires_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ",
    upload_lives_until!(now!(), "min", "?9", "0", "?10"),
    ")"
);
const FIND: &str = concat!(
    "SELECT ",
    upload_columns!(),
    " FROM uploads WHERE id = ?1 AND NOT ",
    upload_is_over!(now!())
);
const IS_TAKEN: &str = "SELECT 1 FROM artifact_rows WHERE id = ?1";
/// Adds ?3 bytes to session ?1 at the offset ?2.
const ADD_BYTES: &str = concat!(
    "UPDATE uploads SET received = received + ?3, parts = parts + 1, placement = min(placement, ?4), expires_at = ",
    upload_lives_until!(now!(), "min", "length", "received + ?3", "?5"),
    " WHERE id = ?1 AND received = ?2 AND octet_length(artifact) = 0 AND coalesce(received + ?3 <= length, true) \
        AND ?4 >= coalesce((SELECT fence FROM placement), 0) AND NOT ",
    upload_is_over!(now!())
);
const ADD_PART: &str =
    "INSERT INTO upload_parts (id, upload, begins_at, size, sha256) VALUES (?1, ?2, ?3, ?4, ?5)";
const DECLARE: &str = concat!(
    "UPDATE uploads SET length = ?2, expires_at = ",
    upload_lives_until!(now!(), "min", "?2", "received", "?3"),
    " WHERE id = ?1 AND coalesce(length, ?2) = ?2 AND received <= ?2 AND octet_length(artifact) = 0 AND NOT ",
    upload_is_over!(now!())
);
const COMPLETE: &str = concat!(
    "UPDATE uploads SET artifact = ?2, expires_at = ",
    now!(),
    " + ?3 WHERE id = ?1 AND octet_length(artifact) = 0"
);
const END: &str = concat!(
    "UPDATE uploads SET ended = 1 WHERE id = ?1 AND (?2 OR ",
    upload_is_over!(now!()),
    ")"
);
const IS_NEEDED: &str =
    "SELECT 1 FROM uploads WHERE id = ?1 AND NOT ended AND octet_length(artifact) = 0";
const ENDED: &str = concat!(
    "SELECT id FROM uploads WHERE (octet_length(artifact) > 0 \
        AND EXISTS (SELECT 1 FROM upload_parts WHERE upload = uploads.id)) OR ",
    upload_is_over!(now!()),
    " LIMIT ?1"
);
const PARTS: &str = "\
    SELECT id, begins_at, size, sha256 FROM upload_parts WHERE upload = ?1 AND begins_at >= ?2 \
    ORDER BY begins_at LIMIT ?3";
const IS_PART: &str = "SELECT 1 FROM upload_parts WHERE id = ?1";
const FORGET_PART: &str = "DELETE FROM upload_parts WHERE id = ?1";
const FORGET: &str = "\
    DELETE FROM uploads WHERE id = ?1 AND ended AND NOT EXISTS (SELECT 1 FROM upload_parts WHERE upload = ?1)";

fn execute(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<usize, WriteError> {
    Ok(connection.prepare_cached(statement)?.execute(params)?)
}

fn exists(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<bool, WriteError> {
    Ok(connection.prepare_cached(statement)?.exists(params)?)
}

impl SqliteDatabase {
    async fn write_upload<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T> {
        self.writer.work(Operation::Upload, false, work).await
    }
}

#[async_trait]
impl UploadRecords for SqliteDatabase {
    async fn create_upload(
        &self,
        session: &UploadSession,
        lifetime: Duration,
        max_open: u32,
    ) -> Result<bool> {
        let session = session.clone();
        let work = move |connection: &Connection| {
            let owner = [session.experiment.as_str(), session.created_by.as_str()];
            let mut open = connection.prepare_cached(COUNT_OPEN)?;
            if open.query_row(owner, |row| row.get::<_, i64>(0))? >= i64::from(max_open) {
                return Ok(false);
            }
            let values = upload_params(&session).into_iter();
            let values = values.chain(params![micros(lifetime)]);
            execute(connection, CREATE, params_from_iter(values))?;
            Ok(true)
        };
        self.write_upload(work).await
    }

    async fn find_upload(&self, id: UploadId) -> Result<Option<UploadSession>> {
        let values = params![id.as_bytes().as_slice()];
        let found = self.query_one(Operation::Upload, FIND, values).await?;
        found.map(UploadSessionRecord::decode).transpose()
    }

    async fn append_part(
        &self,
        id: UploadId,
        part: &UploadPart,
        lifetime: Duration,
        deadline: &Deadline,
    ) -> Result<bool> {
        let (part, deadline) = (*part, deadline.clone());
        let work = move |connection: &Connection| {
            if deadline.has_passed() {
                return Err(Rejected::LATE.into());
            }
            if exists(connection, IS_TAKEN, [part.id.as_bytes()])? {
                return Ok(false);
            }
            let (offset, size) = (stored_bytes(part.offset), stored_bytes(part.size));
            let epoch = stored_epoch(deadline.placement());
            let values = (id.as_bytes(), offset, size, epoch, micros(lifetime));
            if execute(connection, ADD_BYTES, values)? == 0 {
                return Ok(false);
            }
            let values = (
                part.id.as_bytes(),
                id.as_bytes(),
                offset,
                size,
                part.sha256.as_bytes(),
            );
            execute(connection, ADD_PART, values)?;
            Ok(true)
        };
        self.write_upload(work).await
    }

    async fn declare_length(&self, id: UploadId, length: u64, lifetime: Duration) -> Result<bool> {
        let work = move |connection: &Connection| {
            let values = (id.as_bytes(), stored_bytes(length), micros(lifetime));
            Ok(execute(connection, DECLARE, values)? == 1)
        };
        self.write_upload(work).await
    }

    async fn complete_upload(
        &self,
        id: UploadId,
        artifact: ArtifactId,
        lifetime: Duration,
    ) -> Result<()> {
        let work = move |connection: &Connection| {
            let values = (id.as_bytes(), artifact.as_bytes(), micros(lifetime));
            execute(connection, COMPLETE, values).map(drop)
        };
        self.write_upload(work).await
    }

    async fn end_upload(&self, id: UploadId, at_once: bool) -> Result<bool> {
        let work = move |connection: &Connection| {
            execute(connection, END, (id.as_bytes(), at_once))?;
            Ok(!exists(connection, IS_NEEDED, [id.as_bytes()])?)
        };
        self.write_upload(work).await
    }

    async fn ended_uploads(&self, limit: u32) -> Result<Vec<UploadId>> {
        let limit = i64::try_from(clamped_limit(limit)).unwrap_or(i64::MAX);
        let found = self.query_in(Lane::List, Operation::Upload, ENDED, params![limit]);
        let found: Vec<UploadIdRecord> = found.await?;
        found.into_iter().map(UploadIdRecord::decode).collect()
    }

    async fn list_parts(&self, id: UploadId, from: u64, limit: u32) -> Result<Vec<UploadPart>> {
        let limit = i64::try_from(clamped_limit(limit)).unwrap_or(i64::MAX);
        let values = params![id.as_bytes().as_slice(), stored_bytes(from), limit];
        let found = self.query_in(Lane::List, Operation::Upload, PARTS, values);
        let found: Vec<UploadPartRecord> = found.await?;
        found.into_iter().map(UploadPartRecord::decode).collect()
    }

    async fn parts_among(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::Upload, ids)?;
        let ids = ids.to_vec();
        let query = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(IS_PART)?;
            let mut parts = Vec::new();
            for id in ids {
                if statement.exists([id.as_bytes()])? {
                    parts.push(id);
                }
            }
            Ok(parts)
        };
        let readers = self.readers_of(Lane::List);
        readers.query(Operation::Upload.into(), query).await
    }

    async fn forget_parts(&self, ids: &[ArtifactId]) -> Result<()> {
        check_number_of_ids(Operation::Upload, ids)?;
        let ids = ids.to_vec();
        let work = move |connection: &Connection| {
            for id in &ids {
                execute(connection, FORGET_PART, [id.as_bytes()])?;
            }
            Ok(())
        };
        self.writer.work(Operation::Upload, true, work).await
    }

    async fn forget_upload(&self, id: UploadId) -> Result<()> {
        let work =
            move |connection: &Connection| execute(connection, FORGET, [id.as_bytes()]).map(drop);
        self.write_upload(work).await
    }
}
