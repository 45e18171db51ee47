//! Pages of expired rows, each of which costs about as much as the rows that it returns: two indexes have the times of
//! expiry, and the times of creation of the rows without one.

use artifact_backend::ArtifactId;

use super::maintenance::{position, stored_position};
use super::{Columns, Decoder, Lane, Record, SqlDatabase, params};
use crate::catalog::{ExpiredPage, ExpiryPosition, RowPosition};
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;

/// How many experiments one page looks into.
const EXPERIMENTS: i64 = 100;

/// The statements of a database.
#[derive(Debug, Clone, Copy)]
pub(in crate::database) struct ExpiryStatements {
    /// Reads up to $3 rows whose own time has come, after the time $1 and the position $2, in this order.
    pub(in crate::database) by_time: &'static str,
    /// Reads up to $5 rows of experiment $1 without a time of their own that were created at least $4 microseconds ago, after
    /// the time $2 and the position $3, in this order.
    pub(in crate::database) by_retention: &'static str,
}

/// Reads up to $2 retentions, beginning with that of experiment $1.
const RETENTIONS: &str =
    "SELECT experiment, keep FROM retention WHERE experiment >= $1 ORDER BY experiment LIMIT $2";

/// An expired row.
#[derive(Debug)]
struct ExpiredRecord {
    id: Vec<u8>,
    seq: i64,
    micros: i64,
    is_held: bool,
}

impl Record for ExpiredRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            seq: row.integer(1)?,
            micros: row.integer(2)?,
            is_held: row.boolean(3)?,
        })
    }
}

/// An experiment and its retention.
#[derive(Debug)]
struct RetentionRecord(String, i64);

impl Record for RetentionRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self(row.text(0)?, row.integer(1)?))
    }
}

/// Returns the ids of expired rows without a hold after a position. Looks at `limit` rows at most.
pub(in crate::database) async fn expired_page<D: SqlDatabase>(
    database: &D,
    statements: ExpiryStatements,
    after: &ExpiryPosition,
    limit: usize,
) -> Result<ExpiredPage> {
    let mut page = Page {
        ids: Vec::new(),
        left: limit,
    };
    let seq = stored_position(after.row);
    let mut first = (after.micros, seq);
    let operation = Operation::Retention;
    if after.experiment.is_none() {
        let values = params![after.micros, seq, page.wanted()];
        let found = database.query_in(Lane::List, operation, statements.by_time, values);
        if let Some((micros, row)) = page.add(&found.await?)? {
            let next = ExpiryPosition::new(None, micros, row);
            return Ok(ExpiredPage::new(page.ids, Some(next)));
        }
        first = (i64::MIN, 0);
    }
    let from = after.experiment.as_ref().map_or("", ExperimentId::as_str);
    let values = params![from, EXPERIMENTS + 1];
    let retentions: Vec<RetentionRecord> = database
        .query_in(Lane::List, operation, RETENTIONS, values)
        .await?;
    for (number, RetentionRecord(name, keep)) in (0..).zip(&retentions) {
        let decoder = Decoder(operation.into());
        let experiment: ExperimentId = decoder.parse("experiment", name)?;
        let (micros, seq) = if name == from { first } else { (i64::MIN, 0) };
        if number == EXPERIMENTS || page.left == 0 {
            let next = ExpiryPosition::new(Some(experiment), micros, position(seq));
            return Ok(ExpiredPage::new(page.ids, Some(next)));
        }
        let values = params![name.as_str(), micros, seq, *keep, page.wanted()];
        let found = database.query_in(Lane::List, operation, statements.by_retention, values);
        if let Some((micros, row)) = page.add(&found.await?)? {
            let next = ExpiryPosition::new(Some(experiment), micros, row);
            return Ok(ExpiredPage::new(page.ids, Some(next)));
        }
    }
    Ok(ExpiredPage::new(page.ids, None))
}

/// A page that is being filled.
struct Page {
    ids: Vec<ArtifactId>,
    /// How many more rows it looks at.
    left: usize,
}

impl Page {
    /// Returns how many rows to read: one more than the page may have, to find out whether more follow.
    fn wanted(&self) -> i64 {
        i64::try_from(self.left).map_or(i64::MAX, |left| left.saturating_add(1))
    }

    /// Adds rows. If there are more than the page may have, returns the time and the position of its last one.
    fn add(&mut self, found: &[ExpiredRecord]) -> Result<Option<(i64, RowPosition)>> {
        let decoder = Decoder(Operation::Retention.into());
        let taken = &found[..found.len().min(self.left)];
        for record in taken.iter().filter(|record| !record.is_held) {
            let id = decoder.bytes("id", &record.id)?;
            self.ids.push(ArtifactId::from_bytes(id));
        }
        self.left -= taken.len();
        let is_cut = found.len() > taken.len();
        let last = taken.last().filter(|_| is_cut);
        Ok(last.map(|last| (last.micros, position(last.seq))))
    }
}
