//! How much of a quota is used.

use super::{Quota, QuotaScope};

/// A quota, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaStatus {
    /// Whose artifacts are counted.
    pub scope: QuotaScope,
    /// The limits.
    pub quota: Quota,
    /// The bytes of the artifacts.
    pub bytes: u64,
    /// The number of artifacts.
    pub artifacts: u64,
    /// The bytes that deposits in progress have reserved.
    pub reserved_bytes: u64,
    /// The number of deposits in progress.
    pub in_flight: u64,
}

impl QuotaStatus {
    /// Creates the status of a quota of which nothing is used.
    pub fn new(scope: QuotaScope, quota: Quota) -> Self {
        Self {
            scope,
            quota,
            bytes: 0,
            artifacts: 0,
            reserved_bytes: 0,
            in_flight: 0,
        }
    }

    /// Returns the number of bytes that a further deposit may have, or `None` without a limit.
    pub fn bytes_left(&self) -> Option<u64> {
        let used = self.bytes.saturating_add(self.reserved_bytes);
        self.quota.max_bytes.map(|max| max.saturating_sub(used))
    }

    /// Returns the number of artifacts that may be deposited, or `None` without a limit.
    pub fn artifacts_left(&self) -> Option<u64> {
        let used = self.artifacts.saturating_add(self.in_flight);
        self.quota.max_artifacts.map(|max| max.saturating_sub(used))
    }
}

/// Some quotas of an experiment: that of the whole experiment first, then those of principals, ordered by the bytes of the
/// principals' ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QuotaPage {
    /// The quotas.
    pub quotas: Vec<QuotaStatus>,
    /// The scope after which the next page begins, or `None` if this page is the last one.
    pub next: Option<QuotaScope>,
}

impl QuotaPage {
    /// Creates a page of `limit` quotas out of those that follow a position, of which there may be more.
    pub fn new(mut quotas: Vec<QuotaStatus>, limit: usize) -> Self {
        let has_more = quotas.len() > limit;
        quotas.truncate(limit);
        let next = quotas.last().filter(|_| has_more);
        Self {
            next: next.map(|last| last.scope.clone()),
            quotas,
        }
    }
}
