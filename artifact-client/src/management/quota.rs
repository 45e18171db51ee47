//! How much may be stored.

use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use crate::address::with_parameters;
use crate::client::{Client, Repeat};
use crate::error::{Operation, Result};
use crate::identity::{id_segment, json};

/// The limits of a quota. A limit that is not set does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quota {
    /// The greatest number of bytes of all artifacts together.
    pub max_bytes: Option<u64>,
    /// The greatest number of artifacts.
    pub max_artifacts: Option<u64>,
    /// The greatest number of deposits at the same time, on all servers together.
    pub max_in_flight: Option<u64>,
}

impl Quota {
    /// Sets the greatest number of bytes, or removes this limit.
    #[must_use = "returns the changed quota"]
    pub fn with_max_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.max_bytes = bytes.into();
        self
    }

    /// Sets the greatest number of artifacts, or removes this limit.
    #[must_use = "returns the changed quota"]
    pub fn with_max_artifacts(mut self, artifacts: impl Into<Option<u64>>) -> Self {
        self.max_artifacts = artifacts.into();
        self
    }

    /// Sets the greatest number of deposits at the same time, or removes this limit.
    #[must_use = "returns the changed quota"]
    pub fn with_max_in_flight(mut self, deposits: impl Into<Option<u64>>) -> Self {
        self.max_in_flight = deposits.into();
        self
    }
}

/// A quota, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuotaStatus {
    /// The principal whose artifacts are counted, or `None` for the whole experiment.
    pub principal: Option<String>,
    /// The limits.
    #[serde(flatten)]
    pub quota: Quota,
    /// The bytes of the artifacts.
    pub bytes: u64,
    /// The number of artifacts.
    pub artifacts: u64,
    /// The bytes that deposits in progress have reserved.
    pub reserved_bytes: u64,
    /// The number of deposits in progress.
    pub in_flight: u64,
    /// The bytes that a further deposit may have, or `None` without a limit.
    pub bytes_left: Option<u64>,
    /// The number of artifacts that may be deposited, or `None` without a limit.
    pub artifacts_left: Option<u64>,
}

/// One page of the quotas of an experiment: that of the whole experiment first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuotaPage {
    /// The quotas.
    pub quotas: Vec<QuotaStatus>,
    /// The position of the next page, or `None` if this page is the last one.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    quota: Option<QuotaStatus>,
}

impl Client {
    /// Returns the quota of the experiment, or of one of its workers, and how much of it is used; `None` if none is set.
    ///
    /// # Errors
    ///
    /// `Forbidden` unless the credential is an administrator's, or the worker's own; `NotFound` if there is no such worker, or if
    /// the server keeps no quotas; and those of every request.
    pub async fn quota(&self, worker: Option<&str>) -> Result<Option<QuotaStatus>> {
        let operation = Operation::ReadQuota;
        let url = self.quota_url(operation, worker)?;
        let Answer { quota } = self.read(operation, url).await?;
        Ok(quota)
    }

    /// Sets the quota of the experiment, or of one of its workers; replaces all limits that were set before. It counts for every
    /// deposit that begins after this has returned. Only the admin may call this.
    ///
    /// If the future is dropped, the quota is set or not.
    ///
    /// ```no_run
    /// # async fn example(client: &artifact_client::Client) -> artifact_client::Result<()> {
    /// let quota = artifact_client::Quota::default().with_max_bytes(10 << 30).with_max_in_flight(8);
    /// client.set_quota(Some("wkr_0123456789abcdefghjkmnpqrs"), &quota).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `BadRequest` for a quota without limits, `Forbidden`, `NotFound` if there is no such worker, and those of every request.
    pub async fn set_quota(&self, worker: Option<&str>, quota: &Quota) -> Result<()> {
        let operation = Operation::SetQuota;
        let url = self.quota_url(operation, worker)?;
        let body = json(operation, quota)?;
        self.write(operation, Method::PUT, url, body, Repeat::Always)
            .await
    }

    /// Removes the quota of the experiment, or of one of its workers, if there is one. Only the admin may call this.
    ///
    /// # Errors
    ///
    /// As [`set_quota`](Self::set_quota).
    pub async fn remove_quota(&self, worker: Option<&str>) -> Result<()> {
        let operation = Operation::RemoveQuota;
        let url = self.quota_url(operation, worker)?;
        self.write(operation, Method::DELETE, url, None, Repeat::Always)
            .await
    }

    /// Reads one page of the quotas of the experiment and of its workers: the first one, or the one after `after`, which is
    /// [`next`](QuotaPage::next) of the page before it. Only administrators may call this.
    ///
    /// # Errors
    ///
    /// `Forbidden`, `NotFound` if the server keeps no quotas, and those of every request.
    pub async fn list_quotas(&self, after: Option<&str>) -> Result<QuotaPage> {
        let mut url = self.management_url(&["quotas"]);
        with_parameters(&mut url, after.map(|after| ("after", after)));
        self.read(Operation::ListQuotas, url).await
    }

    fn quota_url(&self, operation: Operation, worker: Option<&str>) -> Result<Url> {
        let Some(worker) = worker else {
            return Ok(self.management_url(&["quota"]));
        };
        let worker = id_segment(operation, worker)?;
        Ok(self.management_url(&["workers", worker, "quota"]))
    }
}
