//! The rows of imports, before they are visible.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::ArtifactId;
use deadpool::managed::Object;
use deadpool_postgres::Transaction;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use super::PostgresDatabase;
use super::connections::durable;
use super::error::Failure;
use super::insert::RowColumns;
use super::query::ids;
use super::removal::IdRecord;
use super::scan;
use crate::catalog::{IMPORT_LASTS, ImportId, StagedRow};
use crate::database::rejected::Rejected;
use crate::database::sql::{Lane, micros};
use crate::error::{ErrorKind, Operation, Result};
use crate::row::Row;

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
        created_at, expires_at, held_by, held_at, import) \
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, \
        held_by, held_at, $12 \
    FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bytea[], \
        $8::bigint[], $9::bigint[], $10::text[], $11::bigint[]) WITH ORDINALITY \
        AS new (id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, \
            held_by, held_at, number) \
    ORDER BY number ON CONFLICT DO NOTHING";

/// The transaction may take longer than other statements.
const BEGIN: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 60000";
/// Another process that publishes the same import waits here, and then finds nothing.
const LOCK: &str = "SELECT FROM imports WHERE id = $1 FOR UPDATE";
const LOOK: &str = "\
    SELECT EXISTS (SELECT FROM staged_rows JOIN artifact_rows USING (id) WHERE import = $1), \
        EXISTS (SELECT FROM staged_rows WHERE import = $1 AND experiment NOT IN (SELECT id FROM experiments))";
const PUBLISH: &str = "\
    INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
        expires_at) \
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at \
    FROM staged_rows WHERE import = $1 ORDER BY seq";
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
        let rows: Arc<[Row]> = staged.iter().map(|staged| staged.row.clone()).collect();
        let hold = |staged: &StagedRow| {
            let hold = staged.hold.as_ref()?;
            let held_by = hold.placed_by.as_str().to_owned();
            Some((held_by, hold.placed_at.as_microsecond()))
        };
        let holds: Arc<[Option<(String, i64)>]> = staged.iter().map(hold).collect();
        let done = self.connections().transact(|transaction| {
            let (rows, holds) = (Arc::clone(&rows), Arc::clone(&holds));
            Box::pin(async move { stage(transaction, import, &rows, &holds).await })
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
    rows: &[Row],
    holds: &[Option<(String, i64)>],
) -> Result<(), Failure> {
    let import = &import.as_bytes()[..];
    let columns = RowColumns::of(rows);
    let held_by: Vec<_> = holds.iter().map(|hold| Some(&*hold.as_ref()?.0)).collect();
    let held_at: Vec<_> = holds.iter().map(|hold| Some(hold.as_ref()?.1)).collect();
    let lasts = micros(IMPORT_LASTS);
    execute(transaction, RENEW, &[&import]).await?;
    execute(transaction, FORGET_ROWS, &[&lasts]).await?;
    execute(transaction, FORGET_IMPORTS, &[&lasts]).await?;
    execute(transaction, TAKE_OVER, &[columns.ids(), &import]).await?;
    let mut params = columns.params().to_vec();
    params.extend([&held_by as &(dyn ToSql + Sync), &held_at, &import]);
    let staged = execute(transaction, STAGE, &params).await?;
    if usize::try_from(staged) == Ok(rows.len()) {
        return Ok(());
    }
    Err(Rejected::STAGED_TWICE.into())
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
    let published = match execute(transaction, PUBLISH, &[&import]).await {
        Err(failure) if failure.kind == ErrorKind::AlreadyExists => {
            return Err(failure.with_detail(Rejected::TAKEN_MEANWHILE.detail));
        }
        published => published?,
    };
    if published != number {
        return Err(Rejected::TAKEN_OVER.into());
    }
    for statement in [HOLD, END, END_IMPORT] {
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
