//! The administrator's side of quotas.

use super::{Quota, QuotaPage, QuotaScope, QuotaStatus, QuotaStore};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::manage::{ManagedStore, check_admin};
use crate::principal::{Principal, PrincipalId};

const REFUSAL: &str = "only the administrator may set quotas, and others see only their own";

impl ManagedStore {
    /// Sets how much an experiment, or one principal in it, may store; replaces the limits that were set before. When this
    /// returns, the quota is durable, and counts for every deposit that begins, on any server.
    ///
    /// A deposit that would exceed a quota fails with [`QuotaExceeded`](ErrorKind::QuotaExceeded), or with
    /// [`TooManyInFlight`](ErrorKind::TooManyInFlight) for the number of deposits at the same time. Deposits that are in progress
    /// when a quota is set go on. A quota below what is stored removes nothing, and refuses deposits until enough is removed.
    /// Deposits of administrators, also of named ones, count only for the quota of the experiment. Imports and restored backups
    /// are not refused, but count. With PostgreSQL this takes 1.1 seconds more, like a change of rights.
    ///
    /// ```
    /// use artifact_store::{ErrorKind, ManagedStore, NewArtifact, Principal, Quota, QuotaScope};
    ///
    /// # async fn example(managed: ManagedStore, worker: Principal) -> artifact_store::Result<()> {
    /// let home = worker.experiment().expect("a worker has an experiment").clone();
    /// let scope = QuotaScope::Principal(home.clone(), worker.id());
    /// let quota = Quota::default().with_max_bytes(10);
    /// managed.set_quota(&Principal::admin(), &scope, &quota).await?;
    ///
    /// let mut deposit = managed.store().deposit(NewArtifact::new(home, &worker));
    /// let error = deposit.write("eleven byte".into()).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Forbidden` for all but the administrator, and for a quota of an administrator; `NotFound` if the experiment does not
    /// exist; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn set_quota(
        &self,
        principal: &Principal,
        scope: &QuotaScope,
        quota: &Quota,
    ) -> Result<()> {
        check_admin(Operation::Quota, principal, REFUSAL)?;
        if let Some(PrincipalId::Admin | PrincipalId::Administrator(_)) = scope.principal() {
            return Err(Error::new(ErrorKind::Forbidden, Operation::Quota)
                .with_detail("an administrator has no quota; set one for the experiment"));
        }
        self.quota_store()?.set_quota(scope, quota).await
    }

    /// Removes a quota. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// `Forbidden` for all but the administrator; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn remove_quota(&self, principal: &Principal, scope: &QuotaScope) -> Result<bool> {
        check_admin(Operation::Quota, principal, REFUSAL)?;
        self.quota_store()?.remove_quota(scope).await
    }

    /// Returns a quota and how much of it is used, if there is one. Principals of the
    /// [admin class](Principal::is_admin_class) see all quotas of their experiment, others only their own.
    ///
    /// # Errors
    ///
    /// `NotFound` for another experiment; `Forbidden` for the quota of another principal or of the experiment; `Unavailable` and
    /// the kinds that an operator must resolve.
    pub async fn quota(
        &self,
        principal: &Principal,
        scope: &QuotaScope,
    ) -> Result<Option<QuotaStatus>> {
        self.check_experiment(Operation::Quota, principal, scope.experiment())
            .await?;
        if !principal.is_admin_class() && scope.principal() != Some(&principal.id()) {
            return Err(Error::new(ErrorKind::Forbidden, Operation::Quota).with_detail(REFUSAL));
        }
        self.quota_store()?.quota(scope).await
    }

    /// Returns a page of the quotas of an experiment, and how much of each is used; see [`QuotaStore::quotas`].
    ///
    /// # Errors
    ///
    /// `NotFound` for another experiment; `Forbidden` for those that are not of the [admin class](Principal::is_admin_class);
    /// `Unavailable` and the kinds that an operator must resolve.
    pub async fn quotas(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        after: Option<&QuotaScope>,
        limit: u32,
    ) -> Result<QuotaPage> {
        self.check_experiment(Operation::Quota, principal, experiment)
            .await?;
        if !principal.is_admin_class() {
            return Err(Error::new(ErrorKind::Forbidden, Operation::Quota).with_detail(REFUSAL));
        }
        let store = self.quota_store()?;
        store.quotas(experiment, after, limit).await
    }

    fn quota_store(&self) -> Result<&dyn QuotaStore> {
        self.catalog().quotas().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, Operation::Quota)
                .with_detail("this catalog keeps no quotas")
        })
    }
}
