//! Pages of rows, of expired rows and of removals.

use artifact_backend::{ArtifactId, BoxError};
use jiff::Timestamp;

use super::PostgresDatabase;
use super::query::{Value, value};
use crate::catalog::{RemovalPage, RowFilter, RowPage, RowPosition};
use crate::database::sql::{
    ArtifactRecord, Columns, Decoder, ExpiryStatements, Lane, Record, position, push_row,
    stored_position,
};
use crate::error::{Operation, Result};

/// How many rows one page looks at.
const LOOKED_AT: i64 = 10_000;

/// Looks at $4 rows after position $1, and reads up to $3 of them up to position $2, and the last one.
///
/// The inner query has no upper bound of the positions, because the database would then rather sort the rows
/// between the two than read the index in its order. The conditions on content types and names may select rows
/// that the filter does not; [`RowFilter::selects`] decides.
macro_rules! rows {
    ($where:literal) => {
        concat!(
            "SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
                 expires_at, seq, place \
             FROM (\
                 SELECT rows.*, row_number() OVER (ORDER BY seq) AS place FROM (\
                     SELECT * FROM artifact_rows WHERE removed_at IS NULL AND seq > $1 ",
            $where,
            " ORDER BY seq LIMIT $4\
                 ) AS rows\
             ) AS looked_at \
             WHERE seq <= $2 AND (place = $4 OR (\
                 ($5::bigint IS NULL OR created_at >= $5) AND ($6::bigint IS NULL OR created_at < $6) \
                 AND ($7::bigint IS NULL OR size >= $7) AND ($8::bigint IS NULL OR size <= $8) \
                 AND ($9::text IS NULL OR starts_with(lower(content_type COLLATE \"C\"), $9)) \
                 AND ($10::text IS NULL OR strpos(file_name COLLATE \"C\", $10) > 0)\
             )) ORDER BY seq LIMIT $3"
        )
    };
}
const ROWS: &str = rows!("");
const ROWS_OF_EXPERIMENT: &str = rows!("AND experiment = $11");
const ROWS_OF_DEPOSITOR: &str = rows!("AND experiment = $11 AND created_by COLLATE \"C\" = $12");

const REMOVALS: &str = "SELECT id, seq FROM removals WHERE seq > $1 ORDER BY seq LIMIT $2";
const LAST_REMOVAL: &str = "SELECT coalesce(max(seq), 0) FROM removals";

/// The rows are cut before their holds are looked up.
macro_rules! expired {
    ($time:literal, $where:literal, $limit:literal) => {
        concat!(
            "SELECT id, seq, ",
            $time,
            ", EXISTS (SELECT FROM holds WHERE holds.id = rows.id) \
             FROM (SELECT id, seq, ",
            $time,
            " FROM artifact_rows WHERE ",
            $where,
            " ORDER BY ",
            $time,
            ", seq LIMIT ",
            $limit,
            ") AS rows ORDER BY ",
            $time,
            ", seq"
        )
    };
}
pub(super) const EXPIRED: ExpiryStatements = ExpiryStatements {
    by_time: expired!(
        "expires_at",
        "expires_at IS NOT NULL AND (expires_at, seq) > ($1, $2) AND expires_at <= (SELECT now_micros())",
        "$3"
    ),
    by_retention: expired!(
        "created_at",
        "removed_at IS NULL AND expires_at IS NULL AND experiment = $1 AND (created_at, seq) > ($2, $3) \
         AND created_at <= (SELECT now_micros()) - $4",
        "$5"
    ),
};

/// A row at its position. If it cannot be read, the others still can.
#[derive(Debug)]
struct ScannedRecord {
    record: Result<ArtifactRecord, BoxError>,
    seq: i64,
    place: i64,
}

impl Record for ScannedRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            record: ArtifactRecord::read(row).map_err(Into::into),
            seq: row.integer(9)?,
            place: row.integer(10)?,
        })
    }
}

/// The id of a removed row.
#[derive(Debug)]
struct RemovedRecord {
    id: Vec<u8>,
    seq: i64,
}

impl Record for RemovedRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            seq: row.integer(1)?,
        })
    }
}

/// A number in a column of its own.
#[derive(Debug)]
pub(super) struct NumberRecord(pub(super) i64);

impl Record for NumberRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.integer(0).map(Self)
    }
}

impl PostgresDatabase {
    /// Returns the rows after a position and up to a settled one.
    pub(super) async fn page(
        &self,
        filter: &RowFilter,
        after: RowPosition,
        settled: i64,
        limit: usize,
    ) -> Result<RowPage> {
        let looks_at = looks_at(filter, limit);
        let mut values = vec![
            value(stored_position(after)),
            value(settled),
            value(one_more_than(limit)),
            value(looks_at),
        ];
        values.extend(conditions(filter));
        let experiment = filter.experiment.as_ref().map(|id| id.as_str().to_owned());
        let created_by = filter.created_by.as_ref().map(|id| id.as_str().to_owned());
        let statement = match (experiment, created_by) {
            (Some(experiment), Some(created_by)) => {
                values.extend([value(experiment), value(created_by)]);
                ROWS_OF_DEPOSITOR
            }
            (Some(experiment), None) => {
                values.push(value(experiment));
                ROWS_OF_EXPERIMENT
            }
            (None, _) => ROWS,
        };
        let mut scanned: Vec<ScannedRecord> = self
            .rows(Lane::List, Operation::ListRows, statement, values)
            .await?;
        let next = next(&mut scanned, limit, |row| (row.seq, row.place == looks_at));
        let mut page = RowPage::new(Vec::new(), next);
        for row in scanned {
            let decoded = row.record.and_then(|record| Ok(record.decode()?));
            push_row(&mut page, filter, row.seq, decoded);
        }
        Ok(page)
    }

    pub(super) async fn removal_page(
        &self,
        after: RowPosition,
        limit: usize,
    ) -> Result<RemovalPage> {
        let operation = Operation::FindRemovals;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = vec![value(stored_position(after)), value(limit)];
        let removed: Vec<RemovedRecord> =
            self.rows(Lane::List, operation, REMOVALS, values).await?;
        let next = removed.last().map_or(after, |last| position(last.seq));
        let ids = removed.iter().map(|removed| id(operation, &removed.id));
        Ok(RemovalPage::new(ids.collect::<Result<_>>()?, next))
    }

    pub(super) async fn find_last_removal(&self) -> Result<RowPosition> {
        let operation = Operation::FindRemovals;
        let last: Vec<NumberRecord> = self
            .rows(Lane::Lookup, operation, LAST_REMOVAL, Vec::new())
            .await?;
        Ok(last
            .last()
            .map_or(RowPosition::START, |last| position(last.0)))
    }
}

/// Removes what exceeds a page, and returns the position to continue after.
fn next<R>(
    rows: &mut Vec<R>,
    limit: usize,
    position_and_end: impl Fn(&R) -> (i64, bool),
) -> Option<RowPosition> {
    let is_cut = rows.len() > limit;
    rows.truncate(limit);
    let (seq, is_last_looked_at) = position_and_end(rows.last()?);
    (is_cut || is_last_looked_at).then(|| position(seq))
}

/// Returns how many rows a page looks at. Without a condition that a row may fail, none is left out.
fn looks_at(filter: &RowFilter, limit: usize) -> i64 {
    let RowFilter {
        experiment,
        created_by,
        created_from: None,
        created_before: None,
        min_size: None,
        max_size: None,
        content_type: None,
        name_contains: None,
    } = filter
    else {
        return LOOKED_AT;
    };
    if experiment.is_none() && created_by.is_some() {
        return LOOKED_AT;
    }
    one_more_than(limit)
}

/// Returns the values of the conditions of [`rows`], NULL for one that the filter has not.
fn conditions(filter: &RowFilter) -> [Value; 6] {
    let size = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    // No stored text has a NUL, which the database rejects in a value.
    let text = |text: &str| (!text.contains('\0')).then(|| text.to_owned());
    let content_type = filter.content_type.as_deref().and_then(|wanted| {
        let start = wanted.strip_suffix('*').unwrap_or(wanted);
        text(&start.to_ascii_lowercase())
    });
    [
        value(filter.created_from.map(Timestamp::as_microsecond)),
        // A filter may be finer than the microseconds of the rows.
        value(filter.created_before.map(|time| time.as_microsecond() + 1)),
        value(filter.min_size.map(size)),
        value(filter.max_size.map(size)),
        value(content_type),
        value(filter.name_contains.as_deref().and_then(text)),
    ]
}

pub(super) fn id(operation: Operation, bytes: &[u8]) -> Result<ArtifactId> {
    let id = Decoder(operation.into()).bytes("id", bytes)?;
    Ok(ArtifactId::from_bytes(id))
}

fn one_more_than(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}
