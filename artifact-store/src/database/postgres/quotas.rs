//! The quotas in a PostgreSQL database. The functions of the schema do the work, each in one round trip.

use std::time::Duration;

use artifact_backend::ArtifactId;

use super::PostgresDatabase;
use super::durable::durable;
use super::query::{id, value};
use super::removal::{YesRecord, is_yes};
use crate::credential_cache::Rights;
use crate::database::rejected::Rejected;
use crate::database::sql::{
    Columns, Lane, LimitedRecord, Record, SELECT_LIMITED, SqlQuotas, micros, params, refused,
    select_quotas, stored, stored_limits,
};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::quota::{
    Quota, QuotaLimit, QuotaScope, ReservationId, ReservationOutcome, ReservationRequest,
    UnlimitedCache,
};

pub(super) const SET: &str = concat!("SELECT quota_set($1, $2, $3, $4, $5), ", durable!());
const REMOVE: &str = concat!("SELECT quota_remove($1, $2), ", durable!());
const RESERVE: &str = concat!(
    "SELECT outcome, scope, maximum, available, ",
    durable!(),
    " FROM quota_reserve($1, $2, $3, $4, $5, $6)"
);
const SETTLE: &str = concat!(
    "UPDATE quota_reservations SET bytes = $1, artifact = $2, expires_at = now_micros() + $3 \
     WHERE id = $4 AND bytes >= $1 AND (artifact IS NULL OR artifact = $2) RETURNING true, ",
    durable!()
);
const RELEASE: &str = "DELETE FROM quota_reservations WHERE id = $1 RETURNING true";

/// What `quota_reserve` returns.
#[derive(Debug)]
struct AnswerRecord {
    outcome: String,
    scope: Option<String>,
    maximum: Option<i64>,
    available: Option<i64>,
}

impl Record for AnswerRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            outcome: row.text(0)?,
            scope: row.optional_text(1)?,
            maximum: row.optional_integer(2)?,
            available: row.optional_integer(3)?,
        })
    }
}

impl AnswerRecord {
    fn decode(self) -> Result<ReservationOutcome> {
        let available = self.available.unwrap_or(0);
        let limit = match &*self.outcome {
            "reserved" => {
                let bytes = u64::try_from(available).unwrap_or(0);
                return Ok(ReservationOutcome::Reserved(bytes));
            }
            "unlimited" => return Ok(ReservationOutcome::Unlimited),
            "bytes" => QuotaLimit::Bytes,
            "artifacts" => QuotaLimit::Artifacts,
            "in_flight" => QuotaLimit::InFlight,
            _ => return Err(unexpected("quota_reserve")),
        };
        let scope = self.scope.unwrap_or_default();
        refused(&scope, limit, self.maximum.unwrap_or(0), available)
    }
}

fn unexpected(function: &str) -> Error {
    Error::new(ErrorKind::Unexpected, Operation::Deposit).with_detail(format!(
        "the function {function} of the database is not the one of this program"
    ))
}

impl SqlQuotas for PostgresDatabase {
    const SELECT_ONE: &'static str = select_quotas!("=", "now_micros()");
    const SELECT_FIRST: &'static str = select_quotas!(">=", "now_micros()");
    const SELECT_NEXT: &'static str = select_quotas!(">", "now_micros()");

    fn rights(&self) -> Option<Rights> {
        self.leases.rights()
    }

    fn unlimited(&self) -> &UnlimitedCache {
        &self.leases.unlimited
    }

    async fn query_limited(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
    ) -> Result<LimitedRecord> {
        let params = params![experiment.as_str(), depositor.as_str()].into();
        let found = self.leases.query(SELECT_LIMITED, params).await;
        let found = found.map_err(|failure| failure.into_error(Operation::Quota))?;
        found.ok_or_else(|| unexpected("rights"))
    }

    async fn write_quota(&self, scope: &QuotaScope, quota: &Quota) -> Result<()> {
        let [bytes, artifacts, in_flight] = stored_limits(quota);
        let values = vec![
            value(scope.experiment().as_str().to_owned()),
            value(scope.stored_principal().to_owned()),
            value(bytes),
            value(artifacts),
            value(in_flight),
        ];
        let has_experiment = self.rows(Lane::Lookup, Operation::Quota, SET, values);
        if !is_yes(&has_experiment.await?) {
            return Err(Rejected::NO_EXPERIMENT.into_error(Operation::Quota));
        }
        self.leases.outlast().await;
        Ok(())
    }

    async fn delete_quota(&self, scope: &QuotaScope) -> Result<bool> {
        let values = vec![
            value(scope.experiment().as_str().to_owned()),
            value(scope.stored_principal().to_owned()),
        ];
        let removed = self.rows(Lane::Lookup, Operation::Quota, REMOVE, values);
        Ok(is_yes(&removed.await?))
    }

    async fn write_reservation(&self, request: &ReservationRequest) -> Result<ReservationOutcome> {
        let values = vec![
            value(request.id.as_bytes().to_vec()),
            value(request.experiment.as_str().to_owned()),
            value(request.depositor.as_str().to_owned()),
            value(stored(request.least_bytes)),
            value(stored(request.wanted_bytes)),
            value(micros(request.lease)),
        ];
        let answer = self.rows(Lane::Lookup, Operation::Deposit, RESERVE, values);
        let answer: Vec<AnswerRecord> = answer.await?;
        let answer = answer.into_iter().last();
        answer.ok_or_else(|| unexpected("quota_reserve"))?.decode()
    }

    async fn settle_reservation(
        &self,
        reservation: ReservationId,
        artifact: ArtifactId,
        bytes: u64,
        lease: Duration,
    ) -> Result<bool> {
        let values = vec![
            value(stored(bytes)),
            id(artifact),
            value(micros(lease)),
            value(reservation.as_bytes().to_vec()),
        ];
        let settled = self.rows(Lane::Lookup, Operation::Deposit, SETTLE, values);
        Ok(is_yes(&settled.await?))
    }

    async fn delete_reservation(&self, reservation: ReservationId) -> Result<()> {
        let values = vec![value(reservation.as_bytes().to_vec())];
        let released = self.rows(Lane::Lookup, Operation::Deposit, RELEASE, values);
        let _: Vec<YesRecord> = released.await?;
        Ok(())
    }
}
