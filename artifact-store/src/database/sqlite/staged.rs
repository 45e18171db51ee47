//! The rows of imports, before they are visible. Each write is called in a transaction.

use artifact_backend::ArtifactId;
use jiff::Timestamp;
use rusqlite::{Connection, Params, params_from_iter};

use super::removal::now;
use super::transaction::WriteError;
use crate::catalog::{IMPORT_LASTS, ImportId, StagedRow};
use crate::database::rejected::Rejected;
use crate::database::sql::{digest_params, micros, stored_epoch};
use crate::file_name::FileName;

const RENEW: &str = concat!(
    "INSERT INTO imports (id, renewed_at) VALUES ($1, ",
    now!(),
    ") ON CONFLICT (id) DO UPDATE SET renewed_at = excluded.renewed_at"
);
/// Forgets some rows of the imports that are over.
const FORGET_ROWS: &str = concat!(
    "DELETE FROM staged_rows WHERE seq IN (\
        SELECT seq FROM imports CROSS JOIN staged_rows ON import = imports.id \
        WHERE renewed_at <= ",
    now!(),
    " - $1 LIMIT 1000)"
);
const FORGET_IMPORTS: &str = concat!(
    "DELETE FROM imports WHERE renewed_at <= ",
    now!(),
    " - $1 AND NOT EXISTS (SELECT 1 FROM staged_rows WHERE import = imports.id)"
);
const TAKE_OVER: &str = "DELETE FROM staged_rows WHERE id = $1 AND import <> $2";
const STAGE: &str = "\
    INSERT INTO staged_rows (import, id, experiment, created_by, size, content_type, file_name, sha256, \
        created_at, expires_at, held_by, held_at, placement) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING";
const STAGE_DIGESTS: &str =
    "UPDATE staged_rows SET chunk_bytes = $1, blake3 = $2, digests = $3 WHERE id = $4";
const IS_TAKEN: &str = "\
    SELECT 1 FROM staged_rows CROSS JOIN artifact_rows ON artifact_rows.id = staged_rows.id WHERE import = $1";
const LACKS_EXPERIMENT: &str = "\
    SELECT 1 FROM staged_rows WHERE import = $1 AND experiment NOT IN (SELECT id FROM experiments)";
const IS_LEFT: &str = "\
    SELECT 1 FROM staged_rows WHERE import = $1 AND placement < (SELECT fence FROM placement)";
const PUBLISH: &str = "\
    INSERT INTO artifact_rows (id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
        expires_at, placement) \
    SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at, placement \
    FROM staged_rows WHERE import = $1 ORDER BY seq";
const PUBLISH_DIGESTS: &str = "\
    INSERT INTO chunk_digests (seq, chunk_bytes, blake3, digests) \
    SELECT artifact_rows.seq, chunk_bytes, blake3, digests \
    FROM staged_rows CROSS JOIN artifact_rows ON artifact_rows.id = staged_rows.id \
    WHERE import = $1 AND digests IS NOT NULL ORDER BY staged_rows.seq";
const HOLD: &str = "\
    INSERT INTO holds (id, placed_by, placed_at) \
    SELECT id, held_by, held_at FROM staged_rows WHERE import = $1 AND held_by IS NOT NULL";
const END: &str = "DELETE FROM staged_rows WHERE import = $1";
const END_IMPORT: &str = "DELETE FROM imports WHERE id = $1";
const IS_REMOVED: &str = "SELECT 1 FROM artifact_rows WHERE id = $1 AND removed_at IS NOT NULL";

type Result<T, E = WriteError> = std::result::Result<T, E>;

fn execute(connection: &Connection, statement: &str, params: impl Params) -> Result<usize> {
    Ok(connection.prepare_cached(statement)?.execute(params)?)
}

/// Returns those of the ids that have a tombstone.
pub(super) fn removed(
    connection: &Connection,
    ids: &[ArtifactId],
) -> rusqlite::Result<Vec<ArtifactId>> {
    let mut statement = connection.prepare_cached(IS_REMOVED)?;
    let mut removed = Vec::new();
    for id in ids {
        if statement.exists([id.as_bytes()])? {
            removed.push(*id);
        }
    }
    Ok(removed)
}

/// Stages rows. The sizes fit into an `i64`.
pub(super) fn stage(connection: &Connection, import: ImportId, rows: &[StagedRow]) -> Result<()> {
    let import = import.as_bytes();
    execute(connection, RENEW, [import])?;
    let lasts = micros(IMPORT_LASTS);
    execute(connection, FORGET_ROWS, [lasts])?;
    execute(connection, FORGET_IMPORTS, [lasts])?;
    for StagedRow {
        row,
        hold,
        placement,
        chunk_digests,
    } in rows
    {
        let id = row.id.as_bytes();
        execute(connection, TAKE_OVER, (id, import))?;
        let Ok(size) = i64::try_from(row.size) else {
            return Err(Rejected::SIZE.into());
        };
        let params = (
            import,
            id,
            row.experiment.as_str(),
            row.created_by.as_str(),
            size,
            row.content_type.as_str(),
            row.file_name.as_ref().map(FileName::as_str),
            row.sha256.as_bytes(),
            row.created_at.as_microsecond(),
            row.expires_at.map(Timestamp::as_microsecond),
            hold.as_ref().map(|hold| hold.placed_by.as_str()),
            hold.as_ref().map(|hold| hold.placed_at.as_microsecond()),
            stored_epoch(*placement),
        );
        if execute(connection, STAGE, params)? == 0 {
            return Err(Rejected::STAGED_TWICE.into());
        }
        if let Some(digests) = chunk_digests {
            let params = digest_params(digests).into_iter();
            let params = params.chain([id.as_slice().into()]);
            execute(connection, STAGE_DIGESTS, params_from_iter(params))?;
        }
    }
    Ok(())
}

/// Makes all staged rows of an import visible.
pub(super) fn publish(connection: &Connection, import: ImportId, number: u64) -> Result<()> {
    let import = import.as_bytes();
    let exists =
        |statement| Ok::<_, WriteError>(connection.prepare_cached(statement)?.exists([import])?);
    if exists(IS_TAKEN)? {
        return Err(Rejected::TAKEN_MEANWHILE.into());
    }
    if exists(LACKS_EXPERIMENT)? {
        return Err(Rejected::NO_EXPERIMENT.into());
    }
    if exists(IS_LEFT)? {
        return Err(Rejected::LEFT_BACKEND.into());
    }
    if execute(connection, PUBLISH, [import])? as u64 != number {
        return Err(Rejected::TAKEN_OVER.into());
    }
    for statement in [PUBLISH_DIGESTS, HOLD, END, END_IMPORT] {
        execute(connection, statement, [import])?;
    }
    Ok(())
}
