//! Rows as PostgreSQL holds them. What is read back is parsed again by the same grammars: a table
//! can be edited by anybody who may write it.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::error::Failure;
use crate::content_type::ContentType;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::Experiment;
use crate::file_name::FileName;
use crate::row::Row;

pub(super) const SELECT_EXPERIMENT: &str = "SELECT id, created_at FROM experiments WHERE id = $1";
// The collation of the column compares bytes.
pub(super) const SELECT_EXPERIMENTS: &str = "SELECT id, created_at FROM experiments ORDER BY id";
pub(super) const INSERT_EXPERIMENT: &str =
    "INSERT INTO experiments (id, created_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
pub(super) const SELECT_ROWS: &str = "SELECT id, experiment, created_by, size, content_type, \
     file_name, sha256, created_at FROM artifacts WHERE id = ANY ($1)";
pub(super) const DELETE_ROW: &str = "DELETE FROM artifacts WHERE id = $1";

/// Writes those rows that can be written, in one statement and so in one transaction, and says of
/// each whether it was, or else whether its id is taken. No id may be among them twice.
///
/// A row that another transaction writes at the same moment is waited for, and not written; it is
/// not visible to the statement either, but its experiment is.
pub(super) const INSERT_ROWS: &str = "\
    WITH new AS (\
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::text[], \
            $6::text[], $7::bytea[], $8::bigint[]) \
        AS new (id, experiment, created_by, size, content_type, file_name, sha256, created_at)\
    ), written AS (\
        INSERT INTO artifacts (id, experiment, created_by, size, content_type, file_name, sha256, \
            created_at) \
        SELECT new.* FROM new \
        WHERE EXISTS (SELECT FROM experiments WHERE experiments.id = new.experiment) \
        ON CONFLICT (id) DO NOTHING RETURNING id\
    ) \
    SELECT new.id, written.id IS NOT NULL, \
        EXISTS (SELECT FROM experiments WHERE experiments.id = new.experiment) \
        OR EXISTS (SELECT FROM artifacts WHERE artifacts.id = new.id) \
    FROM new LEFT JOIN written ON written.id = new.id";

/// What [`INSERT_ROWS`] says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    Written,
    Taken,
    NoExperiment,
}

pub(super) fn inserted(
    row: &tokio_postgres::Row,
) -> Result<(ArtifactId, Inserted), tokio_postgres::Error> {
    let id = row.try_get::<_, &[u8]>(0)?.try_into();
    let id = id.expect("it is one of the ids that were sent");
    let inserted = match (row.try_get(1)?, row.try_get(2)?) {
        (true, _) => Inserted::Written,
        (false, true) => Inserted::Taken,
        (false, false) => Inserted::NoExperiment,
    };
    Ok((ArtifactId::from_bytes(id), inserted))
}

/// The parameters of [`INSERT_ROWS`]: a column each.
#[derive(Debug, Default)]
pub(super) struct Columns<'r> {
    ids: Vec<&'r [u8]>,
    experiments: Vec<&'r str>,
    creators: Vec<&'r str>,
    sizes: Vec<i64>,
    content_types: Vec<&'r str>,
    file_names: Vec<Option<&'r str>>,
    digests: Vec<&'r [u8]>,
    times: Vec<i64>,
}

impl<'r> Columns<'r> {
    pub(super) fn of(rows: impl Iterator<Item = &'r Row>) -> Self {
        let mut columns = Self::default();
        for row in rows {
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
            columns.ids.push(id.as_bytes());
            columns.experiments.push(experiment.as_str());
            columns.creators.push(created_by.as_str());
            let size = i64::try_from(*size);
            let size = size.expect("a larger size was refused before it came here");
            columns.sizes.push(size);
            columns.content_types.push(content_type.as_str());
            let name = file_name.as_ref().map(FileName::as_str);
            columns.file_names.push(name);
            columns.digests.push(sha256.as_bytes());
            columns.times.push(created_at.as_microsecond());
        }
        columns
    }

    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 8] {
        let Self {
            ids,
            experiments,
            creators,
            sizes,
            content_types,
            file_names,
            digests,
            times,
        } = self;
        [
            ids,
            experiments,
            creators,
            sizes,
            content_types,
            file_names,
            digests,
            times,
        ]
    }
}

pub(super) fn experiment(row: &tokio_postgres::Row) -> Result<Experiment> {
    let corrupt = || {
        Error::new(ErrorKind::Corrupt, Operation::Experiment)
            .with_detail("the database holds an experiment that this store did not write")
    };
    let column = |error| Failure::of(error).into_error(Operation::Experiment, None);
    let id = row.try_get::<_, &str>(0).map_err(column)?.parse();
    let id = id.map_err(|error| corrupt().with_source(error))?;
    let created_at = Timestamp::from_microsecond(row.try_get(1).map_err(column)?);
    let created_at = created_at.map_err(|error| corrupt().with_source(error))?;
    Ok(Experiment::new(id, created_at))
}

/// The id in a row, as one of those that were asked for.
pub(super) fn id(row: &tokio_postgres::Row) -> Option<ArtifactId> {
    let id = row.try_get::<_, &[u8]>(0).ok()?;
    id.try_into().ok().map(ArtifactId::from_bytes)
}

pub(super) fn row(id: ArtifactId, stored: &tokio_postgres::Row) -> Result<Row> {
    let corrupt = |column: &str| {
        Error::new(ErrorKind::Corrupt, Operation::FindRow)
            .with_id(id)
            .with_detail(format!("column {column} is not what this store writes"))
    };
    let column = |error| Failure::of(error).into_error(Operation::FindRow, Some(id));

    let text = |at: usize| stored.try_get::<_, &str>(at).map_err(column);
    let number = |at: usize| stored.try_get::<_, i64>(at).map_err(column);
    let experiment = text(1)?.parse();
    let experiment = experiment.map_err(|error| corrupt("experiment").with_source(error))?;
    let created_by = text(2)?.parse();
    let created_by = created_by.map_err(|error| corrupt("created_by").with_source(error))?;
    let size = u64::try_from(number(3)?).map_err(|error| corrupt("size").with_source(error))?;
    // What was clean stays as it is when it is cleaned again.
    let content_type = ContentType::clean(text(4)?);
    if content_type.as_str() != text(4)? {
        return Err(corrupt("content_type"));
    }
    let stored_name = stored.try_get::<_, Option<&str>>(5).map_err(column)?;
    let file_name = stored_name.and_then(FileName::clean);
    if file_name.as_ref().map(FileName::as_str) != stored_name {
        return Err(corrupt("file_name"));
    }
    let sha256 = stored.try_get::<_, &[u8]>(6).map_err(column)?.try_into();
    let sha256 = sha256.map_err(|error| corrupt("sha256").with_source(error))?;
    let created_at = Timestamp::from_microsecond(number(7)?)
        .map_err(|error| corrupt("created_at").with_source(error))?;

    let sha256 = Sha256Digest::from_bytes(sha256);
    Ok(
        Row::new(id, experiment, created_by, size, sha256, created_at)
            .with_content_type(content_type)
            .with_file_name(file_name),
    )
}
