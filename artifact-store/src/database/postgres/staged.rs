//! The rows of imports, before they are visible.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::ArtifactId;
use deadpool::managed::Object;
use deadpool_postgres::Transaction;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use super::PostgresDatabase;
use super::columns::{DigestColumns, RowColumns};
use super::connections::durable;
use super::error::Failure;
use super::query::ids;
use super::removal::IdRecord;
use super::scan;
use crate::catalog::{IMPORT_LASTS, ImportId, StagedRow};
use crate::database::rejected::Rejected;
use crate::database::sql::{Lane, micros, stored_epoch};
use crate::error::{ErrorKind, Operation, Result};

/// How long this side waits for the transaction that publishes an import.
const PUBLISH_TIMEOUT: Duration = Duration::from_hours(1);

const SELECT_REMOVED: &str =
    "SELECT id FROM artifact_rows WHERE id = ANY ($1) AND removed_at IS NOT NULL";

const RENEW: &str = "\
    INSERT INTO imports (id, renewed_at) VALUES ($1, now_micros()) \
    ON CONFLICT (id) DO UPDATE SET renewed_at = excluded.renewed_at";
/// Forgets some rows of the imports that are over.
const FORGET_ROWS: &str = "\
    DELETE FROM staged_rows WHERE seq IN (\
        SELECT seq FROM staged_rows JOIN imports ON imports.id = import \
        WHERE renewed_at <= now_micros() - $1 LIMIT 1000)";
const FORGET_IMPORTS: &str = "\
    DELETE FROM imports WHERE renewed_at <= now_micros() - $1 \
        AND NOT EXISTS (SELECT FROM staged_rows WHERE import = imports.id)";
const TAKE_OVER: &str = "DELETE FROM staged_rows WHERE id = ANY ($1) AND import <> $2";
const STAGE: &str = "\
    INSERT INTO staged_rows (id, experiment, created_by, size, content_type, file_name, sha256, \
        created_at, expires_at, placement, held_by, held_at, import) \
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, \
        placement, held_by, held_at, $13 \
    FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], \
        $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bigint[]) WITH ORDINALITY \
        AS new (id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, \
            placement, held_by, held_at, number) \
    ORDER BY number ON CONFLICT DO NOTHING";
const STAGE_DIGESTS: &str = "\
    UPDATE staged_rows SET chunk_bytes = given.chunk_bytes, blake3 = given.blake3, digests = given.digests \
    FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[]) AS given (id, chunk_bytes, blake3, digests) \
    WHERE staged_rows.id = given.id";

/// The transaction may take longer than other statements.
const BEGIN: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 60000";
/// Another process that publishes the same import waits here, and then finds nothing.
const LOCK: &str = "SELECT FROM imports WHERE id = $1 FOR UPDATE";
const LOOK: &str = "\
    SELECT EXISTS (SELECT FROM staged_rows JOIN artifact_rows USING (id) WHERE import = $1), \
        EXISTS (SELECT FROM staged_rows WHERE import = $1 AND experiment NOT IN (SELECT id FROM experiments))";
/// Whether a row was stored under an epoch below the fence. After [`LOCK_ROWS`] the fence stays.
const IS_LEFT: &str = "\
    SELECT EXISTS (SELECT FROM staged_rows WHERE import = $1 AND placement < (SELECT fence FROM placement))";
/// The lock that an insert takes. It conflicts with that of `fence_inserts`.
const LOCK_ROWS: &str = "LOCK TABLE artifact_rows IN ROW EXCLUSIVE MODE";
const PUBLISH: &str = "\
    INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
        expires_at, placement) \
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, placement \
    FROM staged_rows WHERE import = $1 ORDER BY seq";
const PUBLISH_DIGESTS: &str = "\
    INSERT INTO chunk_digests (id, chunk_bytes, blake3, digests) \
    SELECT id, chunk_bytes, blake3, digests FROM staged_rows WHERE import = $1 AND digests IS NOT NULL";
const HOLD: &str = "\
    INSERT INTO holds (id, placed_by, placed_at) \
    SELECT id, held_by, held_at FROM staged_rows WHERE import = $1 AND held_by IS NOT NULL";
const END: &str = "DELETE FROM staged_rows WHERE import = $1";
const END_IMPORT: &str = "DELETE FROM imports WHERE id = $1";

impl PostgresDatabase {
    /// Returns those of the ids that have a tombstone.
    pub(super) async fn removed_ids(&self, wanted: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        let operation = Operation::FindRemovals;
        let values = vec![ids(wanted)];
        let removed: Vec<IdRecord> = self
            .rows(Lane::List, operation, SELECT_REMOVED, values)
            .await?;
        let removed = removed.iter().map(|found| scan::id(operation, &found.0));
        removed.collect()
    }

    /// Stages rows. The sizes fit into an `i64`.
    pub(super) async fn stage_rows(&self, import: ImportId, staged: &[StagedRow]) -> Result<()> {
        let staged: Arc<[StagedRow]> = staged.into();
        let done = self.connections().transact(|transaction| {
            let staged = Arc::clone(&staged);
            Box::pin(async move { stage(transaction, import, &staged).await })
        });
        let done = done.await;
        done.map_err(|failure| failure.into_error(Operation::Import))
    }

    /// Makes all staged rows of an import visible.
    pub(super) async fn publish_rows(&self, import: ImportId, number: u64) -> Result<()> {
        let published = timeout(PUBLISH_TIMEOUT, self.try_publish(import, number)).await;
        let published = published.unwrap_or_else(|_| Err(Failure::timed_out()));
        published.map_err(|failure| failure.into_error(Operation::Import))
    }

    async fn try_publish(&self, import: ImportId, number: u64) -> Result<(), Failure> {
        // Not given back to the pool: if this future is dropped, the session ends and rolls back.
        let mut session = Object::take(self.connections().get_with_retries().await?);
        let transaction = session.transaction().await?;
        durable(&transaction).await?;
        transaction.batch_execute(BEGIN).await?;
        publish(&transaction, import, number).await?;
        Ok(transaction.commit().await?)
    }
}

async fn stage(
    transaction: &Transaction<'_>,
    import: ImportId,
    rows: &[StagedRow],
) -> Result<(), Failure> {
    let import = &import.as_bytes()[..];
    let columns = RowColumns::of(
        rows.iter()
            .map(|staged| (&staged.row, stored_epoch(staged.placement))),
    );
    let holds = || rows.iter().map(|staged| staged.hold.as_ref());
    let held_by: Vec<_> = holds().map(|hold| Some(hold?.placed_by.as_str())).collect();
    let held_at: Vec<_> = holds()
        .map(|hold| Some(hold?.placed_at.as_microsecond()))
        .collect();
    let lasts = micros(IMPORT_LASTS);
    execute(transaction, RENEW, &[&import]).await?;
    execute(transaction, FORGET_ROWS, &[&lasts]).await?;
    execute(transaction, FORGET_IMPORTS, &[&lasts]).await?;
    execute(transaction, TAKE_OVER, &[columns.ids(), &import]).await?;
    let mut params = columns.params().to_vec();
    params.extend([&held_by as &(dyn ToSql + Sync), &held_at, &import]);
    let staged = execute(transaction, STAGE, &params).await?;
    if usize::try_from(staged) != Ok(rows.len()) {
        return Err(Rejected::STAGED_TWICE.into());
    }
    let digests = DigestColumns::of(rows.iter().filter_map(|staged| {
        let digests = staged.chunk_digests.as_ref()?;
        Some((&staged.row.id, digests))
    }));
    if !digests.is_empty() {
        execute(transaction, STAGE_DIGESTS, &digests.params()).await?;
    }
    Ok(())
}

async fn publish(
    transaction: &Transaction<'_>,
    import: ImportId,
    number: u64,
) -> Result<(), Failure> {
    let import = &import.as_bytes()[..];
    execute(transaction, LOCK, &[&import]).await?;
    let look = transaction.prepare_cached(LOOK).await?;
    let found = transaction.query_one(&look, &[&import]).await?;
    let (is_taken, lacks_experiment): (bool, bool) = (found.try_get(0)?, found.try_get(1)?);
    if is_taken {
        return Err(Rejected::TAKEN_MEANWHILE.into());
    }
    if lacks_experiment {
        return Err(Rejected::NO_EXPERIMENT.into());
    }
    transaction.batch_execute(LOCK_ROWS).await?;
    let is_left = transaction.prepare_cached(IS_LEFT).await?;
    let is_left = transaction.query_one(&is_left, &[&import]).await?;
    if is_left.try_get(0)? {
        return Err(Rejected::LEFT_BACKEND.into());
    }
    let published = match execute(transaction, PUBLISH, &[&import]).await {
        Err(failure) if failure.kind == ErrorKind::AlreadyExists => {
            return Err(failure.with_detail(Rejected::TAKEN_MEANWHILE.detail));
        }
        published => published?,
    };
    if published != number {
        return Err(Rejected::TAKEN_OVER.into());
    }
    for statement in [PUBLISH_DIGESTS, HOLD, END, END_IMPORT] {
        execute(transaction, statement, &[&import]).await?;
    }
    Ok(())
}

async fn execute(
    transaction: &Transaction<'_>,
    statement: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<u64, Failure> {
    let statement = transaction.prepare_cached(statement).await?;
    Ok(transaction.execute(&statement, params).await?)
}
