//! Rows as SQLite holds them. What is read back is parsed again by the same grammars: a file can be
//! edited by anybody who may write it.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::content_type::ContentType;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::Experiment;
use crate::file_name::FileName;
use crate::row::Row;

pub(super) const SELECT_EXPERIMENT: &str = "SELECT id, created_at FROM experiments WHERE id = ?1";
// The default collation compares bytes.
pub(super) const SELECT_EXPERIMENTS: &str = "SELECT id, created_at FROM experiments ORDER BY id";
pub(super) const SELECT_ROW: &str = "SELECT experiment, created_by, size, content_type, \
     file_name, sha256, created_at FROM artifacts WHERE id = ?1";

const INSERT_EXPERIMENT: &str =
    "INSERT INTO experiments (id, created_at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
const INSERT_ROW: &str = "INSERT INTO artifacts (id, experiment, created_by, size, content_type, \
     file_name, sha256, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DELETE_ROW: &str = "DELETE FROM artifacts WHERE id = ?1";

/// Whether it was not there yet.
pub(super) fn insert_experiment(
    connection: &Connection,
    experiment: &Experiment,
) -> rusqlite::Result<bool> {
    let Experiment { id, created_at } = experiment;
    let inserted = connection
        .prepare_cached(INSERT_EXPERIMENT)?
        .execute(params![id.as_str(), created_at.as_microsecond()])?;
    Ok(inserted == 1)
}

pub(super) fn insert_row(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let Row {
        id,
        experiment,
        created_by,
        size,
        content_type,
        file_name,
        sha256,
        created_at,
    } = row;
    connection.prepare_cached(INSERT_ROW)?.execute(params![
        id.as_bytes(),
        experiment.as_str(),
        created_by.as_str(),
        i64::try_from(*size).expect("a larger size was refused before it came here"),
        content_type.as_str(),
        file_name.as_ref().map(FileName::as_str),
        sha256.as_bytes(),
        created_at.as_microsecond(),
    ])?;
    Ok(())
}

pub(super) fn delete_row(connection: &Connection, id: ArtifactId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(DELETE_ROW)?
        .execute([id.as_bytes()])?;
    Ok(())
}

/// An experiment as it is in the file, not yet parsed.
#[derive(Debug)]
pub(super) struct StoredExperiment {
    id: String,
    created_at: i64,
}

pub(super) fn stored_experiment(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredExperiment> {
    Ok(StoredExperiment {
        id: row.get(0)?,
        created_at: row.get(1)?,
    })
}

pub(super) fn experiment(stored: StoredExperiment) -> Result<Experiment> {
    let StoredExperiment { id, created_at } = stored;
    let corrupt = || {
        Error::new(ErrorKind::Corrupt, Operation::Experiment)
            .with_detail("the database holds an experiment that this store did not write")
    };
    let created_at =
        Timestamp::from_microsecond(created_at).map_err(|error| corrupt().with_source(error))?;
    let id = id.parse().map_err(|error| corrupt().with_source(error))?;
    Ok(Experiment::new(id, created_at))
}

/// A row as it is in the file, not yet parsed.
#[derive(Debug)]
pub(super) struct StoredRow {
    experiment: String,
    created_by: String,
    size: i64,
    content_type: String,
    file_name: Option<String>,
    sha256: [u8; Sha256Digest::BYTES],
    created_at: i64,
}

pub(super) fn stored_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredRow> {
    Ok(StoredRow {
        experiment: row.get(0)?,
        created_by: row.get(1)?,
        size: row.get(2)?,
        content_type: row.get(3)?,
        file_name: row.get(4)?,
        sha256: row.get(5)?,
        created_at: row.get(6)?,
    })
}

pub(super) fn row(id: ArtifactId, stored: StoredRow) -> Result<Row> {
    let corrupt = |column: &str| {
        Error::new(ErrorKind::Corrupt, Operation::FindRow)
            .with_id(id)
            .with_detail(format!("column {column} is not what this store writes"))
    };
    let StoredRow {
        experiment,
        created_by,
        size,
        content_type,
        file_name,
        sha256,
        created_at,
    } = stored;

    let experiment = experiment
        .parse()
        .map_err(|error| corrupt("experiment").with_source(error))?;
    let created_by = created_by
        .parse()
        .map_err(|error| corrupt("created_by").with_source(error))?;
    let size = u64::try_from(size).map_err(|error| corrupt("size").with_source(error))?;
    let created_at = Timestamp::from_microsecond(created_at)
        .map_err(|error| corrupt("created_at").with_source(error))?;
    // What was clean stays as it is when it is cleaned again.
    let clean_type = ContentType::clean(&content_type);
    if clean_type.as_str() != content_type {
        return Err(corrupt("content_type"));
    }
    let clean_name = file_name.as_deref().and_then(FileName::clean);
    if clean_name.as_ref().map(FileName::as_str) != file_name.as_deref() {
        return Err(corrupt("file_name"));
    }

    let sha256 = Sha256Digest::from_bytes(sha256);
    Ok(
        Row::new(id, experiment, created_by, size, sha256, created_at)
            .with_content_type(clean_type)
            .with_file_name(clean_name),
    )
}
