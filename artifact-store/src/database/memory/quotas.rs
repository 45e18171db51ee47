//! The quotas of a database in memory. What is used is added up from the rows each time.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::rows::Rows;
use super::{Maps, MemoryDatabase};
use crate::catalog::clamped_limit;
use crate::database::rejected::Rejected;
use crate::dump::DumpRecord;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::quota::{
    Quota, QuotaLimit, QuotaPage, QuotaRefusal, QuotaScope, QuotaStatus, QuotaStore, ReservationId,
    ReservationOutcome, ReservationRequest,
};

/// A lease that is longer ends after this period. Every clock can add as much.
const MAX_LEASE: Duration = Duration::from_hours(1_000 * 365 * 24);

/// The quotas, and what deposits have reserved.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    limits: BTreeMap<QuotaScope, Quota>,
    held: HashMap<ReservationId, Held>,
}

#[derive(Debug)]
struct Held {
    experiment: ExperimentId,
    principal: PrincipalId,
    bytes: u64,
    artifact: Option<ArtifactId>,
    expires_at: SystemTime,
}

impl Held {
    fn counts_for(&self, scope: &QuotaScope) -> bool {
        self.experiment == *scope.experiment()
            && scope
                .principal()
                .is_none_or(|principal| *principal == self.principal)
    }
}

impl Quotas {
    /// Inserts a quota of a copy. Returns whether there was none.
    pub(super) fn insert(&mut self, scope: QuotaScope, quota: Quota) -> bool {
        self.limits.insert(scope, quota).is_none()
    }

    /// Returns the records of a snapshot, in the order of the other databases.
    pub(super) fn records(&self) -> impl Iterator<Item = DumpRecord> {
        let mut limits: Vec<_> = self.limits.iter().collect();
        limits.sort_unstable_by_key(|(scope, _)| {
            (scope.experiment().as_str(), scope.stored_principal())
        });
        let records = limits.into_iter();
        records.map(|(scope, quota)| DumpRecord::Quota {
            scope: scope.clone(),
            quota: *quota,
        })
    }

    /// Returns the scopes with a quota that limits a depositor.
    fn scopes(&self, experiment: &ExperimentId, depositor: &PrincipalId) -> Vec<QuotaScope> {
        let whole = QuotaScope::Experiment(experiment.clone());
        let own = QuotaScope::Principal(experiment.clone(), depositor.clone());
        let mut scopes = vec![whole, own];
        scopes.retain(|scope| self.limits.contains_key(scope));
        scopes
    }

    /// Returns what is used of a quota, without one reservation and those whose lease is over.
    fn status(
        &self,
        rows: &Rows,
        scope: &QuotaScope,
        without: Option<ReservationId>,
        now: SystemTime,
    ) -> Option<QuotaStatus> {
        let mut status = QuotaStatus::new(scope.clone(), *self.limits.get(scope)?);
        for usage in rows.usage(scope.experiment(), scope.principal()) {
            status.bytes = status.bytes.saturating_add(usage.bytes);
            status.artifacts += usage.artifacts;
        }
        for (id, held) in &self.held {
            let is_written = held.artifact.is_some_and(|id| rows.is_taken(id));
            let counts = held.counts_for(scope) && held.expires_at > now;
            if counts && Some(*id) != without && !is_written {
                status.reserved_bytes = status.reserved_bytes.saturating_add(held.bytes);
                status.in_flight += 1;
            }
        }
        Some(status)
    }
}

impl Maps {
    fn reserve(&mut self, request: &ReservationRequest, now: SystemTime) -> ReservationOutcome {
        self.end_leases(&request.experiment, now);
        let scopes = self.quotas.scopes(&request.experiment, &request.depositor);
        if scopes.is_empty() {
            return ReservationOutcome::Unlimited;
        }
        let is_new = !self.quotas.held.contains_key(&request.id);
        let mut granted = request.wanted_bytes;
        let statuses = scopes
            .iter()
            .filter_map(|scope| self.quotas.status(&self.rows, scope, Some(request.id), now));
        for status in statuses {
            let refused = |limit, maximum: Option<u64>, left| {
                let principal = status.scope.principal().cloned();
                let maximum = maximum.unwrap_or_default();
                ReservationOutcome::Refused(QuotaRefusal::new(principal, limit, maximum, left))
            };
            let quota = &status.quota;
            if let Some(left) = status.bytes_left() {
                if request.least_bytes > left {
                    return refused(QuotaLimit::Bytes, quota.max_bytes, left);
                }
                granted = granted.min(left);
            }
            if status.artifacts_left() == Some(0) {
                return refused(QuotaLimit::Artifacts, quota.max_artifacts, 0);
            }
            let is_full = quota
                .max_in_flight
                .is_some_and(|max| status.in_flight >= max);
            if is_new && is_full {
                return refused(QuotaLimit::InFlight, quota.max_in_flight, 0);
            }
        }
        let held = Held {
            experiment: request.experiment.clone(),
            principal: request.depositor.clone(),
            bytes: granted,
            artifact: None,
            expires_at: now + request.lease.min(MAX_LEASE),
        };
        self.quotas.held.insert(request.id, held);
        ReservationOutcome::Reserved(granted)
    }

    /// Forgets the reservations of an experiment that no longer count, and condemns the artifacts of those whose lease is over.
    fn end_leases(&mut self, experiment: &ExperimentId, now: SystemTime) {
        let Self { rows, quotas, .. } = self;
        quotas.held.retain(|_, held| {
            let is_over = held.expires_at <= now;
            match held.artifact {
                _ if held.experiment != *experiment => true,
                None => !is_over,
                Some(artifact) if rows.is_taken(artifact) => false,
                Some(artifact) => {
                    if is_over {
                        rows.delete(artifact);
                    }
                    !is_over
                }
            }
        });
    }
}

#[async_trait]
impl QuotaStore for MemoryDatabase {
    async fn set_quota(&self, scope: &QuotaScope, quota: &Quota) -> Result<()> {
        let mut maps = self.writable(Operation::Quota)?;
        if !maps.experiments.contains_key(scope.experiment()) {
            return Err(Rejected::NO_EXPERIMENT.into_error(Operation::Quota));
        }
        maps.quotas.limits.insert(scope.clone(), *quota);
        Ok(())
    }

    async fn remove_quota(&self, scope: &QuotaScope) -> Result<bool> {
        let mut maps = self.writable(Operation::Quota)?;
        Ok(maps.quotas.limits.remove(scope).is_some())
    }

    async fn quota(&self, scope: &QuotaScope) -> Result<Option<QuotaStatus>> {
        let now = self.clock.now();
        let maps = self.maps();
        Ok(maps.quotas.status(&maps.rows, scope, None, now))
    }

    async fn quotas(
        &self,
        experiment: &ExperimentId,
        after: Option<&QuotaScope>,
        limit: u32,
    ) -> Result<QuotaPage> {
        let (limit, now) = (clamped_limit(limit), self.clock.now());
        let maps = self.maps();
        let scopes = maps.quotas.limits.keys();
        let mut scopes: Vec<_> = scopes
            .filter(|scope| scope.experiment() == experiment)
            .filter(|scope| {
                let after = after.map(QuotaScope::stored_principal);
                after.is_none_or(|after| scope.stored_principal() > after)
            })
            .collect();
        scopes.sort_unstable_by_key(|scope| scope.stored_principal());
        let quotas = scopes.into_iter().take(limit + 1);
        let quotas = quotas.filter_map(|scope| maps.quotas.status(&maps.rows, scope, None, now));
        Ok(QuotaPage::new(quotas.collect(), limit))
    }

    fn is_unlimited(&self, experiment: &ExperimentId, depositor: &PrincipalId) -> bool {
        self.maps().quotas.scopes(experiment, depositor).is_empty()
    }

    async fn is_limited(&self, experiment: &ExperimentId, depositor: &PrincipalId) -> Result<bool> {
        Ok(!self.is_unlimited(experiment, depositor))
    }

    async fn reserve(&self, request: &ReservationRequest) -> Result<ReservationOutcome> {
        let now = self.clock.now();
        Ok(self.writable(Operation::Deposit)?.reserve(request, now))
    }

    async fn settle(
        &self,
        id: ReservationId,
        artifact: ArtifactId,
        bytes: u64,
        lease: Duration,
    ) -> Result<bool> {
        let now = self.clock.now();
        let mut maps = self.writable(Operation::Deposit)?;
        let Some(held) = maps.quotas.held.get_mut(&id) else {
            return Ok(false);
        };
        if held.bytes < bytes || held.artifact.is_some_and(|before| before != artifact) {
            return Ok(false);
        }
        held.bytes = bytes;
        held.artifact = Some(artifact);
        held.expires_at = now + lease.min(MAX_LEASE);
        Ok(true)
    }

    async fn release(&self, id: ReservationId) -> Result<()> {
        self.writable(Operation::Deposit)?.quotas.held.remove(&id);
        Ok(())
    }
}
