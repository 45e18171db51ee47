//! How much each principal has stored in an experiment.

use super::PostgresDatabase;
use super::query::value;
use crate::catalog::PrincipalUsage;
use crate::database::sql::{Columns, Decoder, Lane, Record};
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// How many rows one statement adds up. It takes about 0.1 seconds, and the time-out of statements is ten.
const PART: i64 = 100_000;

/// Adds up the next rows after a depositor and a position, in the order of the index, which has all that it needs.
macro_rules! usage {
    ($after:literal, $order:literal) => {
        concat!(
            "SELECT created_by, count(*), sum(size)::text, max(seq) FROM (\
                SELECT created_by COLLATE \"C\" AS created_by, seq, size FROM artifact_rows \
                WHERE experiment = $1 AND removed_at IS NULL AND ",
            $after,
            " ORDER BY ",
            $order,
            " LIMIT $4\
             ) AS part GROUP BY created_by ORDER BY created_by"
        )
    };
}
const USAGE: &str = usage!(
    "(created_by COLLATE \"C\", seq) > ($2, $3)",
    "created_by COLLATE \"C\", seq"
);
const USAGE_OF: &str = usage!("created_by COLLATE \"C\" = $2 AND seq > $3", "seq");

/// A principal, the number of its rows in a part, the sum of their sizes, and the position of the last one.
#[derive(Debug)]
struct UsageRecord {
    created_by: String,
    rows: i64,
    /// The sum is exact; it may exceed an integer.
    bytes: String,
    last: i64,
}

impl Record for UsageRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            created_by: row.text(0)?,
            rows: row.integer(1)?,
            bytes: row.text(2)?,
            last: row.integer(3)?,
        })
    }
}

impl PostgresDatabase {
    /// Adds up the rows of all principals or of one, a part at a time, so that no statement takes long.
    pub(super) async fn usage_of(
        &self,
        experiment: &ExperimentId,
        created_by: Option<&PrincipalId>,
    ) -> Result<Vec<PrincipalUsage>> {
        let operation = Operation::ListRows;
        let decoder = Decoder(operation.into());
        let statement = created_by.map_or(USAGE, |_| USAGE_OF);
        let mut after = (
            created_by.map_or_else(String::new, ToString::to_string),
            i64::MIN,
        );
        let mut usage: Vec<PrincipalUsage> = Vec::new();
        loop {
            let values = vec![
                value(experiment.as_str().to_owned()),
                value(after.0),
                value(after.1),
                value(PART),
            ];
            let part = self.rows::<UsageRecord>(Lane::List, operation, statement, values);
            let part = part.await?;
            let mut counted = 0;
            for record in &part {
                counted += record.rows;
                let created_by: PrincipalId = decoder.parse("created_by", &record.created_by)?;
                let rows = u64::try_from(record.rows).unwrap_or(0);
                let bytes: u128 = decoder.parse("size", &record.bytes)?;
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                match usage.last_mut() {
                    // The rest of its rows.
                    Some(last) if last.created_by == created_by => {
                        last.artifacts = last.artifacts.saturating_add(rows);
                        last.bytes = last.bytes.saturating_add(bytes);
                    }
                    _ => usage.push(PrincipalUsage::new(created_by, rows, bytes)),
                }
            }
            match part.into_iter().last() {
                Some(last) if counted >= PART => after = (last.created_by, last.last),
                _ => return Ok(usage),
            }
        }
    }
}
