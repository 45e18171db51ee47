//! The writes of the maintenance. Each is called in a transaction, which holds the write lock of the file.

use std::time::Duration;

use artifact_backend::ArtifactId;
use rusqlite::{Connection, OptionalExtension as _, Params, params_from_iter};

use super::transaction::WriteError;
use crate::catalog::{Hold, IMPORT_LASTS, Removal, ScrubRecord};
use crate::database::rejected::Rejected;
use crate::database::sql::{IS_SEALED, micros, record_scrub, scrub_values};
use crate::experiment::ExperimentId;

/// The time in microseconds since 1970, by the clock of the machine.
macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    };
}
pub(super) use now;

/// Whether a row has expired; NULL if it never does. A sum that exceeds an integer becomes a floating-point number.
macro_rules! is_expired {
    () => {
        concat!(
            "coalesce(expires_at, created_at + keep) <= ",
            super::removal::now!()
        )
    };
}

const REMOVE: &str = concat!(
    "UPDATE artifact_rows SET \
        seq = (SELECT max(seq) + 1 FROM artifact_rows), \
        experiment = NULL, created_by = NULL, size = NULL, content_type = NULL, file_name = NULL, \
        sha256 = NULL, created_at = NULL, expires_at = NULL, removed_at = ",
    now!(),
    " WHERE id = $1 AND removed_at IS NULL"
);
const CONDEMN: &str = concat!(
    "INSERT INTO artifact_rows (id, removed_at) VALUES ($1, ",
    now!(),
    ") ON CONFLICT (id) DO NOTHING"
);
/// Condemns an id that no import has staged, and that no upload has as a part.
const CONDEMN_UNSTAGED: &str = concat!(
    "INSERT INTO artifact_rows (id, removed_at) SELECT $1, ",
    now!(),
    " WHERE NOT EXISTS (\
        SELECT 1 FROM staged_rows JOIN imports ON imports.id = import \
        WHERE staged_rows.id = $1 AND renewed_at > ",
    now!(),
    " - $2) AND NOT EXISTS (SELECT 1 FROM upload_parts WHERE upload_parts.id = $1) ON CONFLICT (id) DO NOTHING"
);
const IS_REMOVED: &str = "SELECT 1 FROM artifact_rows WHERE id = $1 AND removed_at IS NOT NULL";
const HAS_ROW: &str = "SELECT 1 FROM artifact_rows WHERE id = $1 AND removed_at IS NULL";
const IS_EXPIRED: &str = concat!(
    "SELECT coalesce(",
    is_expired!(),
    ", 0) FROM artifact_rows LEFT JOIN retention USING (experiment) \
     WHERE id = $1 AND removed_at IS NULL"
);
/// Reads nothing of the hold: one that cannot be read is in force too.
const IS_HELD: &str = "SELECT 1 FROM holds WHERE id = $1";
const PLACE_HOLD: &str = "\
    INSERT INTO holds (id, placed_by, placed_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
const RELEASE_HOLD: &str = "DELETE FROM holds WHERE id = $1";
const EXPERIMENT_EXISTS: &str = "SELECT 1 FROM experiments WHERE id = $1";
const SET_RETENTION: &str = "\
    INSERT INTO retention (experiment, keep) VALUES ($1, $2) \
    ON CONFLICT (experiment) DO UPDATE SET keep = excluded.keep";
const END_RETENTION: &str = "DELETE FROM retention WHERE experiment = $1";
const TAKE_LEASE: &str = concat!(
    "INSERT INTO leases (name, holder, held_until) VALUES ($1, $2, ",
    now!(),
    " + $3) ON CONFLICT (name) DO UPDATE \
        SET holder = excluded.holder, held_until = excluded.held_until \
        WHERE leases.holder = excluded.holder OR leases.held_until <= ",
    now!()
);

const RECORD_SCRUB: &str = record_scrub!(
    super::removal::now!(),
    concat!("CASE WHEN $10 THEN ", super::removal::now!(), " END")
);

type Result<T, E = WriteError> = std::result::Result<T, E>;

fn execute(connection: &Connection, statement: &str, params: impl Params) -> Result<usize> {
    Ok(connection.prepare_cached(statement)?.execute(params)?)
}

fn exists(connection: &Connection, statement: &str, params: impl Params) -> Result<bool> {
    Ok(connection.prepare_cached(statement)?.exists(params)?)
}

/// Removes a row whether it is held or not. Its id, and one without a row, never gets a row again.
pub(super) fn delete(connection: &Connection, id: ArtifactId) -> Result<Removal> {
    let id = id.as_bytes();
    if execute(connection, REMOVE, [id])? == 0 {
        execute(connection, CONDEMN, [id])?;
        return Ok(Removal::Absent);
    }
    execute(connection, RELEASE_HOLD, [id])?;
    Ok(Removal::Removed)
}

/// Removes a row that is neither held nor in a sealed collection.
pub(super) fn remove(connection: &Connection, id: ArtifactId) -> Result<Removal> {
    let mut statement = connection.prepare_cached(IS_SEALED)?;
    if statement.query_row([id.as_bytes()], |row| row.get(0))? {
        return Ok(Removal::Sealed);
    }
    remove_unheld(connection, id)
}

/// Removes a row that is not held.
fn remove_unheld(connection: &Connection, id: ArtifactId) -> Result<Removal> {
    if exists(connection, IS_HELD, [id.as_bytes()])? {
        return Ok(Removal::Held);
    }
    delete(connection, id)
}

/// Removes a row that is not held and has expired. Returns `None` if it has not expired.
pub(super) fn remove_expired(connection: &Connection, id: ArtifactId) -> Result<Option<Removal>> {
    let mut statement = connection.prepare_cached(IS_EXPIRED)?;
    let is_expired = statement.query_row([id.as_bytes()], |row| row.get(0));
    match is_expired.optional()? {
        Some(false) => Ok(None),
        Some(true) | None => remove_unheld(connection, id).map(Some),
    }
}

/// Returns those of the ids that have no row, and never get one. Leaves out what imports have staged, and the
/// parts of uploads.
pub(super) fn condemn(connection: &Connection, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
    let mut condemned = Vec::new();
    for id in ids {
        let bytes = id.as_bytes();
        let params = (bytes, micros(IMPORT_LASTS));
        let is_new = execute(connection, CONDEMN_UNSTAGED, params)? == 1;
        if is_new || exists(connection, IS_REMOVED, [bytes])? {
            condemned.push(*id);
        }
    }
    Ok(condemned)
}

pub(super) fn place_hold(connection: &Connection, hold: &Hold) -> Result<()> {
    let id = hold.id.as_bytes();
    if !exists(connection, HAS_ROW, [id])? {
        return Err(Rejected::NO_ARTIFACT.into());
    }
    let params = (id, hold.placed_by.as_str(), hold.placed_at.as_microsecond());
    execute(connection, PLACE_HOLD, params)?;
    Ok(())
}

/// Returns whether there was a hold.
pub(super) fn release_hold(connection: &Connection, id: ArtifactId) -> Result<bool> {
    Ok(execute(connection, RELEASE_HOLD, [id.as_bytes()])? == 1)
}

pub(super) fn set_retention(
    connection: &Connection,
    experiment: &ExperimentId,
    keep: Option<Duration>,
) -> Result<()> {
    let experiment = experiment.as_str();
    if !exists(connection, EXPERIMENT_EXISTS, [experiment])? {
        return Err(Rejected::NO_EXPERIMENT.into());
    }
    match keep {
        Some(keep) => execute(connection, SET_RETENTION, (experiment, micros(keep)))?,
        None => execute(connection, END_RETENTION, [experiment])?,
    };
    Ok(())
}

/// Returns whether the holder has the lease now.
pub(super) fn take_lease(
    connection: &Connection,
    name: &str,
    holder: [u8; 16],
    period: Duration,
) -> Result<bool> {
    let params = (name, holder, micros(period));
    Ok(execute(connection, TAKE_LEASE, params)? == 1)
}

pub(super) fn record_scrub(connection: &Connection, record: &ScrubRecord) -> Result<()> {
    let values = scrub_values(record).into_iter();
    let values = values.chain([i64::from(record.is_finished)]);
    execute(connection, RECORD_SCRUB, params_from_iter(values))?;
    Ok(())
}
