//! The quotas in a SQL database.

use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::records::{Columns, Decoder, Record, VersionedRecord};
use super::{Lane, SqlDatabase, params};
use crate::catalog::clamped_limit;
use crate::credential_cache::{Rights, RightsVersion};
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::quota::{
    Quota, QuotaLimit, QuotaPage, QuotaRefusal, QuotaScope, QuotaStatus, QuotaStore, ReservationId,
    ReservationOutcome, ReservationRequest, UnlimitedCache,
};

/// Selects the quotas of the experiment $1, and what is used of them, where the principal compares with $2. An empty principal
/// stands for the whole experiment. Reservations whose lease is over are not counted: they give way to the next deposit that needs
/// the room.
macro_rules! select_quotas {
    ($comparison:literal, $($now:tt)+) => {
        concat!(
            "SELECT quotas.principal, max_bytes, max_artifacts, max_in_flight, quota_usage.bytes, \
                quota_usage.artifacts, (\
                    SELECT CAST(coalesce(sum(held.bytes), 0) AS bigint) FROM quota_reservations AS held \
                    WHERE held.experiment = quotas.experiment \
                        AND (quotas.principal = '' OR held.principal = quotas.principal) \
                        AND NOT EXISTS (SELECT 1 FROM artifact_rows WHERE artifact_rows.id = held.artifact) \
                        AND held.expires_at > ",
            $($now)+,
            "), (\
                    SELECT count(*) FROM quota_reservations AS held \
                    WHERE held.experiment = quotas.experiment \
                        AND (quotas.principal = '' OR held.principal = quotas.principal) \
                        AND NOT EXISTS (SELECT 1 FROM artifact_rows WHERE artifact_rows.id = held.artifact) \
                        AND held.expires_at > ",
            $($now)+,
            ") \
             FROM quotas JOIN quota_usage ON quota_usage.experiment = quotas.experiment \
                AND quota_usage.principal = quotas.principal \
             WHERE quotas.experiment = $1 AND quotas.principal ",
            $comparison,
            " $2 ORDER BY quotas.principal LIMIT $3"
        )
    };
}
pub(in crate::database) use select_quotas;

/// Whether a quota limits the principal $2 in the experiment $1, and the version of the rights, in one snapshot.
pub(in crate::database) const SELECT_LIMITED: &str = "\
    SELECT version, EXISTS (SELECT 1 FROM quotas WHERE experiment = $1 AND (principal = '' OR principal = $2)) \
    FROM rights";

/// The writes of quotas, which differ between the databases.
pub(in crate::database) trait SqlQuotas: Send + Sync {
    /// [`select_quotas`] of one quota, of those from a principal on, and of those after it.
    const SELECT_ONE: &'static str;
    const SELECT_FIRST: &'static str;
    const SELECT_NEXT: &'static str;

    /// Returns the rights, if they are known without waiting.
    fn rights(&self) -> Option<Rights>;

    fn unlimited(&self) -> &UnlimitedCache;

    /// Runs [`SELECT_LIMITED`].
    fn query_limited(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
    ) -> impl Future<Output = Result<LimitedRecord>> + Send;

    fn write_quota(
        &self,
        scope: &QuotaScope,
        quota: &Quota,
    ) -> impl Future<Output = Result<()>> + Send;

    fn delete_quota(&self, scope: &QuotaScope) -> impl Future<Output = Result<bool>> + Send;

    fn write_reservation(
        &self,
        request: &ReservationRequest,
    ) -> impl Future<Output = Result<ReservationOutcome>> + Send;

    fn settle_reservation(
        &self,
        id: ReservationId,
        artifact: ArtifactId,
        bytes: u64,
        lease: Duration,
    ) -> impl Future<Output = Result<bool>> + Send;

    fn delete_reservation(&self, id: ReservationId) -> impl Future<Output = Result<()>> + Send;
}

/// The columns of [`SELECT_LIMITED`].
#[derive(Debug)]
pub(in crate::database) struct LimitedRecord {
    version: i64,
    is_limited: bool,
}

impl Record for LimitedRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            version: row.integer(0)?,
            is_limited: row.boolean(1)?,
        })
    }
}

impl VersionedRecord for LimitedRecord {
    fn version(&self) -> Option<RightsVersion> {
        RightsVersion::new(self.version)
    }
}

/// A quota, and what is used of it.
#[derive(Debug)]
struct QuotaRecord {
    principal: String,
    limits: [Option<i64>; 3],
    used: [i64; 4],
}

impl Record for QuotaRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            principal: row.text(0)?,
            limits: [
                row.optional_integer(1)?,
                row.optional_integer(2)?,
                row.optional_integer(3)?,
            ],
            used: [
                row.integer(4)?,
                row.integer(5)?,
                row.integer(6)?,
                row.integer(7)?,
            ],
        })
    }
}

impl QuotaRecord {
    fn decode(self, experiment: &ExperimentId) -> Result<QuotaStatus> {
        let scope = decode_scope(experiment, &self.principal)?;
        let [bytes, artifacts, reserved_bytes, in_flight] = self.used.map(unsigned);
        Ok(QuotaStatus {
            bytes,
            artifacts,
            reserved_bytes,
            in_flight,
            ..QuotaStatus::new(scope, decode_limits(self.limits))
        })
    }
}

pub(super) fn decode_scope(experiment: &ExperimentId, principal: &str) -> Result<QuotaScope> {
    let decoder = Decoder(Operation::Quota.into());
    let principal = match principal {
        "" => None,
        text => Some(decoder.parse("principal", text)?),
    };
    Ok(QuotaScope::new(experiment.clone(), principal))
}

pub(super) fn decode_limits(limits: [Option<i64>; 3]) -> Quota {
    let [bytes, artifacts, in_flight] = limits.map(|limit| limit.map(unsigned));
    Quota::default()
        .with_max_bytes(bytes)
        .with_max_artifacts(artifacts)
        .with_max_in_flight(in_flight)
}

/// Returns a number as it is stored.
pub(in crate::database) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns the limits of a quota as they are stored.
pub(in crate::database) fn stored_limits(quota: &Quota) -> [Option<i64>; 3] {
    [quota.max_bytes, quota.max_artifacts, quota.max_in_flight].map(|limit| limit.map(stored))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Returns the outcome of a deposit that the quota of this stored principal refuses.
pub(in crate::database) fn refused(
    principal: &str,
    limit: QuotaLimit,
    maximum: i64,
    left: i64,
) -> Result<ReservationOutcome> {
    let principal = match principal {
        "" => None,
        text => Some(Decoder(Operation::Deposit.into()).parse("principal", text)?),
    };
    let refusal = QuotaRefusal::new(principal, limit, unsigned(maximum), unsigned(left));
    Ok(ReservationOutcome::Refused(refusal))
}

#[async_trait]
impl<D: SqlDatabase> QuotaStore for D {
    async fn set_quota(&self, scope: &QuotaScope, quota: &Quota) -> Result<()> {
        self.write_quota(scope, quota).await
    }

    async fn remove_quota(&self, scope: &QuotaScope) -> Result<bool> {
        self.delete_quota(scope).await
    }

    async fn quota(&self, scope: &QuotaScope) -> Result<Option<QuotaStatus>> {
        let experiment = scope.experiment();
        let params = params![experiment.as_str(), scope.stored_principal(), 1];
        let record = self
            .query_one(Operation::Quota, D::SELECT_ONE, params)
            .await?;
        record
            .map(|record: QuotaRecord| record.decode(experiment))
            .transpose()
    }

    async fn quotas(
        &self,
        experiment: &ExperimentId,
        after: Option<&QuotaScope>,
        limit: u32,
    ) -> Result<QuotaPage> {
        let limit = clamped_limit(limit);
        let statement = match after {
            None => D::SELECT_FIRST,
            Some(_) => D::SELECT_NEXT,
        };
        let after = after.map_or("", QuotaScope::stored_principal);
        let params = params![experiment.as_str(), after, stored(limit as u64 + 1)];
        let records = self.query_in(Lane::List, Operation::Quota, statement, params);
        let records: Vec<QuotaRecord> = records.await?;
        let records = records.into_iter();
        let quotas = records.map(|record| record.decode(experiment));
        Ok(QuotaPage::new(quotas.collect::<Result<_>>()?, limit))
    }

    fn is_unlimited(&self, experiment: &ExperimentId, depositor: &PrincipalId) -> bool {
        let rights = self.rights();
        rights.is_some_and(|rights| self.unlimited().has(experiment, depositor, rights))
    }

    async fn is_limited(&self, experiment: &ExperimentId, depositor: &PrincipalId) -> Result<bool> {
        let found = self.query_limited(experiment, depositor).await?;
        if !found.is_limited
            && let Some(version) = found.version()
        {
            self.unlimited().insert(experiment, depositor, version);
        }
        Ok(found.is_limited)
    }

    async fn reserve(&self, request: &ReservationRequest) -> Result<ReservationOutcome> {
        self.write_reservation(request).await
    }

    async fn settle(
        &self,
        id: ReservationId,
        artifact: ArtifactId,
        bytes: u64,
        lease: Duration,
    ) -> Result<bool> {
        self.settle_reservation(id, artifact, bytes, lease).await
    }

    async fn release(&self, id: ReservationId) -> Result<()> {
        self.delete_reservation(id).await
    }
}
