//! The trait of a database that keeps quotas.

use std::fmt::Debug;
use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::{
    Quota, QuotaPage, QuotaScope, QuotaStatus, ReservationId, ReservationOutcome,
    ReservationRequest,
};
use crate::error::Result;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// Keeps quotas, and what deposits have reserved of them. It is in the same database as the
/// [`Catalog`](crate::Catalog), which [returns](crate::Catalog::quotas) it.
///
/// - The usage of a quota is the sum of the rows of its scope. Whatever inserts or removes a row changes the usage in the same
///   transaction: deposits, imports, removals, the collector.
/// - A reservation counts like a row from [`reserve`](Self::reserve) until it is [released](Self::release), until the row of
///   the artifact that it was [settled](Self::settle) for is written, or until its lease is over and another reservation needs the
///   room. In the last case the artifact that it was settled for never gets a row any more.
/// - So if every row is written under a settled reservation, the rows and the reservations of a scope together never exceed its
///   quota, apart from what was there or was reserved before the quota was set or lowered.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve, every write with `OutOfSpace`. If the
///   future of a write is dropped, the write is done or not done.
#[async_trait]
pub trait QuotaStore: Debug + Send + Sync + 'static {
    /// Sets a quota, or replaces its limits. It counts for every deposit that begins, on any server, after this has returned.
    /// Deposits in progress go on. Nothing is removed if the quota is lower than what is there.
    ///
    /// The first quota of a scope counts its rows, while deposits wait: about half a second for one million rows.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment does not exist.
    async fn set_quota(&self, scope: &QuotaScope, quota: &Quota) -> Result<()>;

    /// Removes a quota. Returns whether there was one. No deposit that begins, on any server, after this has returned is limited
    /// by it.
    async fn remove_quota(&self, scope: &QuotaScope) -> Result<bool>;

    /// Returns a quota and how much of it is used, if there is one.
    async fn quota(&self, scope: &QuotaScope) -> Result<Option<QuotaStatus>>;

    /// Returns the quotas of an experiment after a scope, in order, at most `limit` (1 to 1,000; other numbers are clamped).
    async fn quotas(
        &self,
        experiment: &ExperimentId,
        after: Option<&QuotaScope>,
        limit: u32,
    ) -> Result<QuotaPage>;

    /// Returns whether it is known, without waiting, that no quota limits this depositor. `false` means that one does, or that it
    /// is not known.
    ///
    /// It is current: once [`set_quota`](Self::set_quota) has returned, in any process on the same database, this returns
    /// `false` for those that the quota limits.
    fn is_unlimited(&self, experiment: &ExperimentId, depositor: &PrincipalId) -> bool;

    /// Returns whether a quota limits this depositor. Reads the database, and fills the cache of
    /// [`is_unlimited`](Self::is_unlimited).
    async fn is_limited(&self, experiment: &ExperimentId, depositor: &PrincipalId) -> Result<bool>;

    /// Reserves bytes and one artifact for a deposit, in the quota of its experiment and in that of its depositor, or renews and
    /// changes the reservation with the same id. Of the calls at the same time, on any server, each sees those before it.
    async fn reserve(&self, request: &ReservationRequest) -> Result<ReservationOutcome>;

    /// Lowers a reservation to the exact size of the artifact, whose row is written next, and renews its lease. Returns `false`,
    /// and changes nothing, if the reservation is no longer there or is smaller: then [reserve](Self::reserve) again.
    async fn settle(
        &self,
        id: ReservationId,
        artifact: ArtifactId,
        bytes: u64,
        lease: Duration,
    ) -> Result<bool>;

    /// Ends a reservation, if it is there. The row of its artifact must not be written after this.
    async fn release(&self, id: ReservationId) -> Result<()>;
}
