//! The writes of the maintenance.
//!
//! Each is one statement that waits for its sync. Also a statement that finds nothing to do locks a row, so
//! that its transaction [writes](super::connections::BARRIER) too.

use std::time::Duration;

use artifact_backend::ArtifactId;

use super::PostgresDatabase;
use super::durable::durable;
use super::query::{Value, id, ids, value};
use super::scan;
use crate::catalog::{Hold, Removal, ScrubRecord};
use crate::database::rejected::Rejected;
use crate::database::sql::{
    Columns, Lane, Record, micros, record_scrub, scrub_values, select_last_scrub,
};
use crate::database::subject::Subject;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;

/// Locks a row if another statement changed nothing.
macro_rules! locked_unless {
    ($changed:literal) => {
        concat!(
            "locked AS (SELECT version FROM schema_version WHERE NOT EXISTS (SELECT FROM ",
            $changed,
            ") FOR KEY SHARE)"
        )
    };
}

const REMOVE: &str = concat!("SELECT remove_row($1, $2, $3), ", durable!());
const REMOVE_UNSEALED: &str = concat!("SELECT remove_unsealed_row($1), ", durable!());
const CONDEMN: &str = concat!("SELECT condemn_ids($1), ", durable!());
/// The lock of the row conflicts with that of a removal, which looks for a hold once it has the lock.
const PLACE_HOLD: &str = concat!(
    "WITH held AS (\
        SELECT id FROM artifact_rows WHERE id = $1 AND removed_at IS NULL FOR UPDATE\
    ), placed AS (\
        INSERT INTO holds (id, placed_by, placed_at) SELECT id, $2, $3 FROM held \
        ON CONFLICT (id) DO NOTHING\
    ) SELECT EXISTS (SELECT FROM held), ",
    durable!()
);
const RELEASE_HOLD: &str = concat!(
    "WITH released AS (DELETE FROM holds WHERE id = $1 RETURNING id), ",
    locked_unless!("released"),
    " SELECT EXISTS (SELECT FROM released), (SELECT count(*) FROM locked), ",
    durable!()
);
const SET_RETENTION: &str = concat!(
    "WITH found AS (SELECT id FROM experiments WHERE id = $1), written AS (\
        INSERT INTO retention (experiment, keep) SELECT id, $2 FROM found \
        ON CONFLICT (experiment) DO UPDATE SET keep = excluded.keep RETURNING keep\
    ) SELECT EXISTS (SELECT FROM found), ",
    durable!()
);
const END_RETENTION: &str = concat!(
    "WITH ended AS (DELETE FROM retention WHERE experiment = $1 RETURNING keep), ",
    locked_unless!("ended"),
    " SELECT EXISTS (SELECT FROM experiments WHERE id = $1), (SELECT count(*) FROM locked), ",
    durable!()
);
/// The time is read again after the wait for a transaction that takes the same lease.
const TAKE_LEASE: &str = concat!(
    "INSERT INTO leases (name, holder, held_until) VALUES ($1, $2, now_micros() + $3) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = now_micros() + $3 \
     WHERE leases.holder = excluded.holder OR leases.held_until <= now_micros() \
     RETURNING true, ",
    durable!()
);

const RECORD_SCRUB: &str = concat!(
    record_scrub!("now_micros()", "CASE WHEN $10 THEN now_micros() END"),
    " RETURNING true, ",
    durable!()
);
const LAST_SCRUB: &str = select_last_scrub!("now_micros()");

/// An answer in words.
#[derive(Debug)]
struct WordRecord(String);

impl Record for WordRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.text(0).map(Self)
    }
}

/// An answer of yes or no.
#[derive(Debug)]
pub(super) struct YesRecord(bool);

impl Record for YesRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.boolean(0).map(Self)
    }
}

/// An id.
#[derive(Debug)]
pub(super) struct IdRecord(pub(super) Vec<u8>);

impl Record for IdRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.bytes(0).map(Self)
    }
}

impl PostgresDatabase {
    /// Removes a row if the rules allow it. Returns `None` if it has not expired.
    pub(super) async fn remove_row(
        &self,
        artifact: ArtifactId,
        only_if_expired: bool,
        even_if_held: bool,
    ) -> Result<Option<Removal>> {
        let subject = Subject::with_id(Operation::DeleteRow, artifact);
        let values = vec![id(artifact), value(only_if_expired), value(even_if_held)];
        self.run_removal(subject, REMOVE, values).await
    }

    /// Removes a row that is neither held nor in a sealed collection.
    pub(super) async fn remove_unsealed(&self, artifact: ArtifactId) -> Result<Option<Removal>> {
        let subject = Subject::with_id(Operation::DeleteRow, artifact);
        let values = vec![id(artifact)];
        self.run_removal(subject, REMOVE_UNSEALED, values).await
    }

    async fn run_removal(
        &self,
        subject: Subject,
        statement: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Removal>> {
        let done: Vec<WordRecord> = self.rows(Lane::Lookup, subject, statement, values).await?;
        match done.last().map(|done| done.0.as_str()) {
            Some("removed") => Ok(Some(Removal::Removed)),
            Some("absent") => Ok(Some(Removal::Absent)),
            Some("held") => Ok(Some(Removal::Held)),
            Some("sealed") => Ok(Some(Removal::Sealed)),
            Some("kept") => Ok(None),
            _ => Err(subject.error(ErrorKind::Unexpected).with_detail(
                "the function remove_row of the database is not the one of this program",
            )),
        }
    }

    /// Returns those of the ids that have a tombstone now.
    pub(super) async fn condemn_ids(&self, condemned: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        let operation = Operation::DeleteRow;
        let values = vec![ids(condemned)];
        let removed: Vec<IdRecord> = self.rows(Lane::List, operation, CONDEMN, values).await?;
        let removed = removed.iter().map(|found| scan::id(operation, &found.0));
        removed.collect()
    }

    pub(super) async fn insert_hold(&self, hold: &Hold) -> Result<()> {
        let subject = Subject::with_id(Operation::Hold, hold.id);
        let placed_by = value(hold.placed_by.as_str().to_owned());
        let placed_at = value(hold.placed_at.as_microsecond());
        let values = vec![id(hold.id), placed_by, placed_at];
        let has_row = self.rows(Lane::Lookup, subject, PLACE_HOLD, values).await?;
        if is_yes(&has_row) {
            return Ok(());
        }
        Err(Rejected::NO_ARTIFACT.into_error(subject))
    }

    /// Returns whether there was a hold.
    pub(super) async fn delete_hold(&self, artifact: ArtifactId) -> Result<bool> {
        let subject = Subject::with_id(Operation::Hold, artifact);
        let values = vec![id(artifact)];
        let released = self.rows(Lane::Lookup, subject, RELEASE_HOLD, values);
        Ok(is_yes(&released.await?))
    }

    pub(super) async fn write_retention(
        &self,
        experiment: &ExperimentId,
        keep: Option<Duration>,
    ) -> Result<()> {
        let mut values = vec![value(experiment.as_str().to_owned())];
        values.extend(keep.map(|keep| value(micros(keep))));
        let statement = match keep {
            Some(_) => SET_RETENTION,
            None => END_RETENTION,
        };
        let operation = Operation::Retention;
        let has_experiment = self.rows(Lane::Lookup, operation, statement, values);
        if is_yes(&has_experiment.await?) {
            return Ok(());
        }
        Err(Rejected::NO_EXPERIMENT.into_error(operation))
    }

    /// Returns whether the holder has the lease now.
    pub(super) async fn write_lease(
        &self,
        name: &str,
        holder: [u8; 16],
        period: Duration,
    ) -> Result<bool> {
        if name.contains('\0') {
            return Err(Error::new(ErrorKind::Unexpected, Operation::Lease)
                .with_detail("the name of a lease has no NUL"));
        }
        let values = vec![
            value(name.to_owned()),
            value(holder.to_vec()),
            value(micros(period)),
        ];
        let taken = self.rows(Lane::Lookup, Operation::Lease, TAKE_LEASE, values);
        Ok(is_yes(&taken.await?))
    }

    pub(super) async fn write_scrub(&self, record: &ScrubRecord) -> Result<()> {
        let mut values: Vec<_> = scrub_values(record).into_iter().map(value).collect();
        values.push(value(record.is_finished));
        let written =
            self.rows::<YesRecord>(Lane::Lookup, Operation::RecordScrub, RECORD_SCRUB, values);
        written.await.map(drop)
    }

    pub(super) async fn find_last_scrub(&self) -> Result<Option<ScrubRecord>> {
        let operation = Operation::RecordScrub;
        let mut found = self
            .rows(Lane::Lookup, operation, LAST_SCRUB, Vec::new())
            .await?;
        Ok(found.pop())
    }
}

pub(super) fn is_yes(records: &[YesRecord]) -> bool {
    records.last().is_some_and(|record| record.0)
}
