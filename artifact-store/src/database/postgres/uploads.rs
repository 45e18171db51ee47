//! The upload sessions in a PostgreSQL database.
//!
//! Each write is one statement that waits for its sync, and can be repeated.

use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::PostgresDatabase;
use super::durable::durable;
use super::query::{Value, id as id_value, ids as id_values, value};
use super::removal::{YesRecord, is_yes};
use crate::catalog::{check_number_of_ids, clamped_limit};
use crate::database::rejected::Rejected;
use crate::database::sql::{
    Lane, PartIdRecord, UploadIdRecord, UploadPartRecord, UploadSessionRecord, micros,
    stored_bytes, stored_epoch, upload_columns, upload_is_over, upload_params,
};
use crate::error::{Operation, Result};
use crate::time::Deadline;
use crate::uploads::{UploadId, UploadPart, UploadRecords, UploadSession};

const CREATE: &str = concat!(
    "SELECT create_upload($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11), ",
    durable!()
);
/// Locks the session, so that its transaction has a commit, whose sync covers what was recorded of the session before.
const FIND: &str = concat!(
    "SELECT ",
    upload_columns!(),
    ", ",
    durable!(),
    " FROM uploads WHERE id = $1 AND NOT ",
    upload_is_over!("now_micros()"),
    " FOR KEY SHARE"
);
const APPEND: &str = concat!(
    "SELECT append_part($1, $2, $3, $4, $5, $6, $7), ",
    durable!()
);
const DECLARE: &str = concat!(
    "WITH declared AS (\
        UPDATE uploads SET length = $2, expires_at = upload_lives_until($2, received, $3) \
        WHERE id = $1 AND coalesce(length, $2) = $2 AND received <= $2 AND octet_length(artifact) = 0 AND NOT ",
    upload_is_over!("now_micros()"),
    " RETURNING id) SELECT EXISTS (SELECT FROM declared), ",
    durable!()
);
const COMPLETE: &str = concat!(
    "WITH completed AS (\
        UPDATE uploads SET artifact = $2, expires_at = now_micros() + $3 \
        WHERE id = $1 AND octet_length(artifact) = 0 RETURNING id\
    ) SELECT EXISTS (SELECT FROM completed), ",
    durable!()
);
const END: &str = concat!("SELECT end_upload($1, $2), ", durable!());
const ENDED: &str = concat!(
    "SELECT id FROM uploads WHERE (octet_length(artifact) > 0 \
        AND EXISTS (SELECT FROM upload_parts WHERE upload = uploads.id)) OR ",
    upload_is_over!("now_micros()"),
    " LIMIT $1"
);
const PARTS: &str = "\
    SELECT id, begins_at, size, sha256 FROM upload_parts WHERE upload = $1 AND begins_at >= $2 \
    ORDER BY begins_at LIMIT $3";
const PARTS_AMONG: &str = "SELECT id FROM upload_parts WHERE id = ANY ($1)";
const FORGET_PARTS: &str = concat!(
    "WITH forgotten AS (DELETE FROM upload_parts WHERE id = ANY ($1) RETURNING id) \
     SELECT EXISTS (SELECT FROM forgotten), ",
    durable!()
);
const FORGET: &str = concat!(
    "WITH forgotten AS (\
        DELETE FROM uploads WHERE id = $1 AND ended AND NOT EXISTS (SELECT FROM upload_parts WHERE upload = $1) \
        RETURNING id\
    ) SELECT EXISTS (SELECT FROM forgotten), ",
    durable!()
);

fn upload(id: UploadId) -> Value {
    value(id.as_bytes().to_vec())
}

fn limit(limit: u32) -> Value {
    value(i64::try_from(clamped_limit(limit)).unwrap_or(i64::MAX))
}

impl PostgresDatabase {
    async fn write_upload(&self, statement: &'static str, values: Vec<Value>) -> Result<bool> {
        let written = self.rows::<YesRecord>(Lane::Lookup, Operation::Upload, statement, values);
        Ok(is_yes(&written.await?))
    }
}

#[async_trait]
impl UploadRecords for PostgresDatabase {
    async fn create_upload(
        &self,
        session: &UploadSession,
        lifetime: Duration,
        max_open: u32,
    ) -> Result<bool> {
        let mut values: Vec<_> = upload_params(session).into_iter().map(value).collect();
        values.extend([value(micros(lifetime)), value(i64::from(max_open))]);
        self.write_upload(CREATE, values).await
    }

    async fn find_upload(&self, id: UploadId) -> Result<Option<UploadSession>> {
        let found = self.rows(Lane::Lookup, Operation::Upload, FIND, vec![upload(id)]);
        let found = found.await?.pop();
        found.map(UploadSessionRecord::decode).transpose()
    }

    async fn append_part(
        &self,
        id: UploadId,
        part: &UploadPart,
        lifetime: Duration,
        deadline: &Deadline,
    ) -> Result<bool> {
        // The statement ends within seconds, or never writes.
        if deadline.has_passed() {
            return Err(Rejected::LATE.into_error(Operation::Upload));
        }
        let values = vec![
            upload(id),
            id_value(part.id),
            value(stored_bytes(part.offset)),
            value(stored_bytes(part.size)),
            value(part.sha256.as_bytes().to_vec()),
            value(stored_epoch(deadline.placement())),
            value(micros(lifetime)),
        ];
        self.write_upload(APPEND, values).await
    }

    async fn declare_length(&self, id: UploadId, length: u64, lifetime: Duration) -> Result<bool> {
        let values = vec![
            upload(id),
            value(stored_bytes(length)),
            value(micros(lifetime)),
        ];
        self.write_upload(DECLARE, values).await
    }

    async fn complete_upload(
        &self,
        id: UploadId,
        artifact: ArtifactId,
        lifetime: Duration,
    ) -> Result<()> {
        let values = vec![upload(id), id_value(artifact), value(micros(lifetime))];
        self.write_upload(COMPLETE, values).await.map(drop)
    }

    async fn end_upload(&self, id: UploadId, at_once: bool) -> Result<bool> {
        self.write_upload(END, vec![upload(id), value(at_once)])
            .await
    }

    async fn ended_uploads(&self, number: u32) -> Result<Vec<UploadId>> {
        let values = vec![limit(number)];
        let found = self.rows(Lane::List, Operation::Upload, ENDED, values);
        let found: Vec<UploadIdRecord> = found.await?;
        found.into_iter().map(UploadIdRecord::decode).collect()
    }

    async fn list_parts(&self, id: UploadId, from: u64, number: u32) -> Result<Vec<UploadPart>> {
        let values = vec![upload(id), value(stored_bytes(from)), limit(number)];
        let found = self.rows(Lane::List, Operation::Upload, PARTS, values);
        let found: Vec<UploadPartRecord> = found.await?;
        found.into_iter().map(UploadPartRecord::decode).collect()
    }

    async fn parts_among(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::Upload, ids)?;
        let values = vec![id_values(ids)];
        let found = self.rows(Lane::List, Operation::Upload, PARTS_AMONG, values);
        let found: Vec<PartIdRecord> = found.await?;
        found.into_iter().map(PartIdRecord::decode).collect()
    }

    async fn forget_parts(&self, ids: &[ArtifactId]) -> Result<()> {
        check_number_of_ids(Operation::Upload, ids)?;
        self.write_upload(FORGET_PARTS, vec![id_values(ids)])
            .await
            .map(drop)
    }

    async fn forget_upload(&self, id: UploadId) -> Result<()> {
        self.write_upload(FORGET, vec![upload(id)]).await.map(drop)
    }
}
