//! Identities whose pages wait or fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_store::{
    AdminTokenDigest, AdminTokenRecord, Administrator, AdministratorId, AdministratorStore,
    CredentialHash, DisplayName, Error, ErrorKind, ExperimentId, Group, GroupId, IdentityStore,
    ListPosition, MemberId, Operation, Page, RecordedAdminToken, Result, StoredCredential,
    Timestamp, Worker, WorkerId,
};
use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Identities that read a page only if the test has given a permit for it. Everything else is passed on.
#[derive(Debug)]
pub(crate) struct GatedIdentities {
    inner: Arc<dyn IdentityStore>,
    /// One permit for each page. Once it is closed, pages fail.
    pub(crate) gate: Semaphore,
    /// How many pages were asked for.
    pub(crate) pages: AtomicUsize,
    /// What becomes of the admin tokens that are read.
    change: fn(RecordedAdminToken) -> RecordedAdminToken,
}

impl GatedIdentities {
    pub(crate) fn new(inner: Arc<dyn IdentityStore>, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            inner,
            gate: Semaphore::new(permits),
            pages: AtomicUsize::new(0),
            change: |tokens| tokens,
        })
    }

    /// Creates identities whose admin tokens are read in another way than they were recorded.
    pub(crate) fn with_admin_tokens(
        inner: Arc<dyn IdentityStore>,
        change: fn(RecordedAdminToken) -> RecordedAdminToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner,
            gate: Semaphore::new(0),
            pages: AtomicUsize::new(0),
            change,
        })
    }

    async fn pass(&self) -> Result<()> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        match self.gate.acquire().await {
            Ok(permit) => permit.forget(),
            Err(closed) => {
                let error = Error::new(ErrorKind::Unavailable, Operation::FindWorker);
                return Err(error.with_source(closed));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl AdminTokenRecord for GatedIdentities {
    async fn admin_token(&self) -> Result<Option<RecordedAdminToken>> {
        let found = self.inner.admin_token().await?;
        Ok(found.map(self.change))
    }

    async fn record_admin_token(&self, token: &RecordedAdminToken) -> Result<RecordedAdminToken> {
        self.inner.record_admin_token(token).await
    }

    async fn replace_admin_token(
        &self,
        token: &RecordedAdminToken,
        old_valid_until: Option<Timestamp>,
    ) -> Result<()> {
        self.inner.replace_admin_token(token, old_valid_until).await
    }

    async fn end_old_admin_token(&self) -> Result<()> {
        self.inner.end_old_admin_token().await
    }

    async fn was_admin_token_replaced(&self, digest: AdminTokenDigest) -> Result<bool> {
        self.inner.was_admin_token_replaced(digest).await
    }
}

#[async_trait]
impl AdministratorStore for GatedIdentities {
    async fn register_administrator(&self, administrator: &Administrator) -> Result<()> {
        self.inner.register_administrator(administrator).await
    }

    async fn administrator(&self, id: AdministratorId) -> Result<Option<Administrator>> {
        self.inner.administrator(id).await
    }

    async fn administrator_page(
        &self,
        after: &ListPosition,
        limit: usize,
    ) -> Result<Page<Administrator>> {
        self.pass().await?;
        self.inner.administrator_page(after, limit).await
    }

    async fn replace_administrator_credential(
        &self,
        id: AdministratorId,
        credential: &CredentialHash,
    ) -> Result<()> {
        let inner = &self.inner;
        inner.replace_administrator_credential(id, credential).await
    }

    async fn delete_administrator(&self, id: AdministratorId) -> Result<()> {
        self.inner.delete_administrator(id).await
    }

    async fn administrator_credential(
        &self,
        id: AdministratorId,
    ) -> Result<Option<CredentialHash>> {
        self.inner.administrator_credential(id).await
    }
}

#[async_trait]
impl IdentityStore for GatedIdentities {
    async fn register_worker(&self, worker: &Worker, credential: &CredentialHash) -> Result<()> {
        self.inner.register_worker(worker, credential).await
    }

    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>> {
        self.inner.worker(experiment, id).await
    }

    async fn worker_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Worker>> {
        self.pass().await?;
        self.inner.worker_page(experiment, name, after).await
    }

    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()> {
        self.inner
            .replace_credential(experiment, id, credential)
            .await
    }

    async fn delete_worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<()> {
        self.inner.delete_worker(experiment, id).await
    }

    async fn credential(&self, id: WorkerId) -> Result<Option<StoredCredential>> {
        self.inner.credential(id).await
    }

    async fn create_group(&self, group: &Group) -> Result<()> {
        self.inner.create_group(group).await
    }

    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>> {
        self.inner.group(experiment, id).await
    }

    async fn group_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Group>> {
        self.pass().await?;
        self.inner.group_page(experiment, name, after).await
    }

    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        self.inner.add_member(experiment, group, member).await
    }

    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        self.inner.remove_member(experiment, group, member).await
    }

    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()> {
        self.inner.delete_group(experiment, id).await
    }
}
