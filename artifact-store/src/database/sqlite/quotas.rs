//! The quotas in a SQLite file. Each write is a transaction, which holds the write lock of the file.

use std::time::Duration;

use artifact_backend::ArtifactId;
use rusqlite::{Connection, Params};

use super::SqliteDatabase;
use super::removal::now;
use super::transaction::WriteError;
use crate::credential_cache::Rights;
use crate::database::rejected::Rejected;
use crate::database::sql::{
    LimitedRecord, SELECT_LIMITED, SqlQuotas, micros, params, refused, select_quotas, stored,
    stored_limits,
};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::quota::{
    Quota, QuotaLimit, QuotaScope, ReservationId, ReservationOutcome, ReservationRequest,
    UnlimitedCache,
};

const EXPERIMENT_EXISTS: &str = "SELECT 1 FROM experiments WHERE id = $1";
pub(super) const SET: &str = "\
    INSERT INTO quotas (experiment, principal, max_bytes, max_artifacts, max_in_flight) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (experiment, principal) DO UPDATE SET max_bytes = excluded.max_bytes, \
        max_artifacts = excluded.max_artifacts, max_in_flight = excluded.max_in_flight";
const IS_COUNTED: &str = "SELECT 1 FROM quota_usage WHERE experiment = $1 AND principal = $2";
/// Counts the rows of an experiment, and those of one of its principals.
pub(super) const COUNT: [&str; 2] = [
    "INSERT INTO quota_usage (experiment, principal, bytes, artifacts) \
     SELECT $1, $2, coalesce(sum(size), 0), count(*) FROM artifact_rows WHERE experiment = $1",
    "INSERT INTO quota_usage (experiment, principal, bytes, artifacts) \
     SELECT $1, $2, coalesce(sum(size), 0), count(*) FROM artifact_rows \
     WHERE experiment = $1 AND created_by = $2",
];
/// Counts rows from now on. The only change of a row is the one into a tombstone.
pub(super) const COUNT_FROM_NOW: &str = "\
    CREATE TRIGGER IF NOT EXISTS artifact_rows_counted AFTER INSERT ON artifact_rows \
        WHEN NEW.removed_at IS NULL \
    BEGIN \
        UPDATE quota_usage SET bytes = bytes + NEW.size, artifacts = artifacts + 1 \
        WHERE experiment = NEW.experiment AND principal IN ('', NEW.created_by); \
    END; \
    CREATE TRIGGER IF NOT EXISTS artifact_rows_uncounted AFTER UPDATE ON artifact_rows \
        WHEN OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL \
    BEGIN \
        UPDATE quota_usage SET bytes = bytes - OLD.size, artifacts = artifacts - 1 \
        WHERE experiment = OLD.experiment AND principal IN ('', OLD.created_by); \
    END;";
const REMOVE: &str = "DELETE FROM quotas WHERE experiment = $1 AND principal = $2";
const FORGET_USAGE: &str = "DELETE FROM quota_usage WHERE experiment = $1 AND principal = $2";

/// Condemns the artifacts of reservations whose lease is over: their rows are never written.
const CONDEMN: &str = concat!(
    "INSERT INTO artifact_rows (id, removed_at) SELECT artifact, ",
    now!(),
    " FROM quota_reservations WHERE experiment = $1 AND artifact IS NOT NULL AND expires_at <= ",
    now!(),
    " ON CONFLICT (id) DO NOTHING"
);
/// Forgets reservations that no longer count.
const FORGET: &str = concat!(
    "DELETE FROM quota_reservations WHERE experiment = $1 AND (\
        (artifact IS NULL AND expires_at <= ",
    now!(),
    ") OR EXISTS (SELECT 1 FROM artifact_rows WHERE artifact_rows.id = artifact))"
);
const SELECT: &str = "\
    SELECT principal, max_bytes, max_artifacts, max_in_flight, bytes, artifacts \
    FROM quotas JOIN quota_usage USING (experiment, principal) \
    WHERE experiment = $1 AND principal IN ('', $2) ORDER BY principal";
/// Adds up the other reservations that count for a quota.
const OTHERS: &str = "\
    SELECT coalesce(sum(bytes), 0), count(*) FROM quota_reservations \
    WHERE experiment = $1 AND ($2 = '' OR principal = $2) AND id <> $3";
const IS_KNOWN: &str = "SELECT 1 FROM quota_reservations WHERE id = $1";
const RESERVE: &str = concat!(
    "INSERT INTO quota_reservations (id, experiment, principal, bytes, expires_at) \
     VALUES ($1, $2, $3, $4, ",
    now!(),
    " + $5) ON CONFLICT (id) DO UPDATE SET experiment = excluded.experiment, \
        principal = excluded.principal, bytes = excluded.bytes, artifact = NULL, \
        expires_at = excluded.expires_at"
);
const SETTLE: &str = concat!(
    "UPDATE quota_reservations SET bytes = $1, artifact = $2, expires_at = ",
    now!(),
    " + $3 WHERE id = $4 AND bytes >= $1 AND (artifact IS NULL OR artifact = $2)"
);
const RELEASE: &str = "DELETE FROM quota_reservations WHERE id = $1";

fn execute(connection: &Connection, statement: &str, params: impl Params) -> WriteResult<usize> {
    Ok(connection.prepare_cached(statement)?.execute(params)?)
}

fn exists(connection: &Connection, statement: &str, params: impl Params) -> WriteResult<bool> {
    Ok(connection.prepare_cached(statement)?.exists(params)?)
}

type WriteResult<T> = Result<T, WriteError>;

fn set(connection: &Connection, scope: &QuotaScope, quota: &Quota) -> WriteResult<()> {
    let (experiment, principal) = (scope.experiment().as_str(), scope.stored_principal());
    if !exists(connection, EXPERIMENT_EXISTS, [experiment])? {
        return Err(Rejected::NO_EXPERIMENT.into());
    }
    let [bytes, artifacts, in_flight] = stored_limits(quota);
    let limits = (experiment, principal, bytes, artifacts, in_flight);
    execute(connection, SET, limits)?;
    if !exists(connection, IS_COUNTED, [experiment, principal])? {
        connection.execute_batch(COUNT_FROM_NOW)?;
        let [whole, own] = COUNT;
        let count = if principal.is_empty() { whole } else { own };
        execute(connection, count, [experiment, principal])?;
    }
    Ok(())
}

/// Returns whether there was a quota.
fn remove(connection: &Connection, scope: &QuotaScope) -> WriteResult<bool> {
    let key = [scope.experiment().as_str(), scope.stored_principal()];
    execute(connection, FORGET_USAGE, key)?;
    Ok(execute(connection, REMOVE, key)? == 1)
}

/// A quota, and what its rows add up to.
struct Counted {
    principal: String,
    max_bytes: Option<i64>,
    max_artifacts: Option<i64>,
    max_in_flight: Option<i64>,
    bytes: i64,
    artifacts: i64,
}

/// The answer to a reservation.
enum Answer {
    Reserved(i64),
    Unlimited,
    Refused(String, QuotaLimit, i64, i64),
}

fn reserve(connection: &Connection, request: &ReservationRequest) -> WriteResult<Answer> {
    let (experiment, depositor) = (request.experiment.as_str(), request.depositor.as_str());
    let id = request.id.as_bytes();
    execute(connection, CONDEMN, [experiment])?;
    execute(connection, FORGET, [experiment])?;
    let quotas = select(connection, experiment, depositor)?;
    if quotas.is_empty() {
        return Ok(Answer::Unlimited);
    }
    let is_new = !exists(connection, IS_KNOWN, [id])?;
    let least = stored(request.least_bytes);
    let mut granted = stored(request.wanted_bytes);
    for quota in quotas {
        let mut others = connection.prepare_cached(OTHERS)?;
        let others = others.query_row((experiment, &quota.principal, id), |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        let (bytes, number): (i64, i64) = others?;
        let left = |max: i64, used: i64, reserved: i64| {
            max.saturating_sub(used).saturating_sub(reserved).max(0)
        };
        if let Some(max) = quota.max_bytes {
            let left = left(max, quota.bytes, bytes);
            if least > left {
                let refused = Answer::Refused(quota.principal, QuotaLimit::Bytes, max, left);
                return Ok(refused);
            }
            granted = granted.min(left);
        }
        if let Some(max) = quota.max_artifacts
            && left(max, quota.artifacts, number) == 0
        {
            return Ok(Answer::Refused(
                quota.principal,
                QuotaLimit::Artifacts,
                max,
                0,
            ));
        }
        if let Some(max) = quota.max_in_flight
            && is_new
            && left(max, 0, number) == 0
        {
            return Ok(Answer::Refused(
                quota.principal,
                QuotaLimit::InFlight,
                max,
                0,
            ));
        }
    }
    execute(
        connection,
        RESERVE,
        (id, experiment, depositor, granted, micros(request.lease)),
    )?;
    Ok(Answer::Reserved(granted))
}

fn select(
    connection: &Connection,
    experiment: &str,
    depositor: &str,
) -> rusqlite::Result<Vec<Counted>> {
    let mut statement = connection.prepare_cached(SELECT)?;
    let quotas = statement.query_map([experiment, depositor], |row| {
        Ok(Counted {
            principal: row.get(0)?,
            max_bytes: row.get(1)?,
            max_artifacts: row.get(2)?,
            max_in_flight: row.get(3)?,
            bytes: row.get(4)?,
            artifacts: row.get(5)?,
        })
    })?;
    quotas.collect()
}

impl SqlQuotas for SqliteDatabase {
    const SELECT_ONE: &'static str = select_quotas!("=", now!());
    const SELECT_FIRST: &'static str = select_quotas!(">=", now!());
    const SELECT_NEXT: &'static str = select_quotas!(">", now!());

    fn rights(&self) -> Option<Rights> {
        self.credentials.rights()
    }

    fn unlimited(&self) -> &UnlimitedCache {
        &self.credentials.unlimited
    }

    async fn query_limited(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
    ) -> Result<LimitedRecord> {
        let params = params![experiment.as_str(), depositor.as_str()].into();
        let found = self
            .credentials
            .query(Operation::Quota, SELECT_LIMITED, params);
        found.await?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, Operation::Quota)
                .with_detail("the table rights of the database is empty")
        })
    }

    async fn write_quota(&self, scope: &QuotaScope, quota: &Quota) -> Result<()> {
        let (scope, quota) = (scope.clone(), *quota);
        let work = move |connection: &_| set(connection, &scope, &quota);
        self.writer.work(Operation::Quota, true, work).await
    }

    async fn delete_quota(&self, scope: &QuotaScope) -> Result<bool> {
        let scope = scope.clone();
        let work = move |connection: &_| remove(connection, &scope);
        self.writer.work(Operation::Quota, false, work).await
    }

    async fn write_reservation(&self, request: &ReservationRequest) -> Result<ReservationOutcome> {
        let request = request.clone();
        let work = move |connection: &_| reserve(connection, &request);
        match self.writer.work(Operation::Deposit, false, work).await? {
            Answer::Reserved(bytes) => Ok(ReservationOutcome::Reserved(bytes.unsigned_abs())),
            Answer::Unlimited => Ok(ReservationOutcome::Unlimited),
            Answer::Refused(principal, limit, maximum, left) => {
                refused(&principal, limit, maximum, left)
            }
        }
    }

    async fn settle_reservation(
        &self,
        id: ReservationId,
        artifact: ArtifactId,
        bytes: u64,
        lease: Duration,
    ) -> Result<bool> {
        let (bytes, lease) = (stored(bytes), micros(lease));
        let work = move |connection: &_| {
            let params = (bytes, artifact.as_bytes(), lease, id.as_bytes());
            Ok(execute(connection, SETTLE, params)? == 1)
        };
        self.writer.work(Operation::Deposit, false, work).await
    }

    async fn delete_reservation(&self, id: ReservationId) -> Result<()> {
        let work = move |connection: &_| {
            execute(connection, RELEASE, [id.as_bytes()])?;
            Ok(())
        };
        self.writer.work(Operation::Deposit, false, work).await
    }
}
