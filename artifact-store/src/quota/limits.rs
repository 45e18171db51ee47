//! What a quota limits, and whose artifacts it counts.

use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;

/// The limits of a quota. A limit that is not set does not exist.
///
/// ```
/// use artifact_store::Quota;
///
/// let quota = Quota::default().with_max_bytes(10 << 30).with_max_in_flight(8);
/// assert_eq!(quota.max_bytes, Some(10 << 30));
/// assert_eq!(quota.max_artifacts, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Quota {
    /// The greatest number of bytes that all artifacts may have together.
    pub max_bytes: Option<u64>,
    /// The greatest number of artifacts.
    pub max_artifacts: Option<u64>,
    /// The greatest number of deposits in progress, on all servers together.
    pub max_in_flight: Option<u64>,
}

impl Quota {
    /// The greatest limit, which the databases can hold. A higher one becomes this.
    pub const MAX: u64 = i64::MAX as u64;

    /// Sets the greatest number of bytes, or removes this limit.
    #[must_use = "returns the changed quota"]
    pub fn with_max_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.max_bytes = bytes.into().map(clamp);
        self
    }

    /// Sets the greatest number of artifacts, or removes this limit.
    #[must_use = "returns the changed quota"]
    pub fn with_max_artifacts(mut self, artifacts: impl Into<Option<u64>>) -> Self {
        self.max_artifacts = artifacts.into().map(clamp);
        self
    }

    /// Sets the greatest number of deposits in progress, or removes this limit.
    #[must_use = "returns the changed quota"]
    pub fn with_max_in_flight(mut self, deposits: impl Into<Option<u64>>) -> Self {
        self.max_in_flight = deposits.into().map(clamp);
        self
    }
}

fn clamp(limit: u64) -> u64 {
    limit.min(Quota::MAX)
}

/// Whose artifacts a quota counts. In an order, the whole experiment comes before its principals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum QuotaScope {
    /// All artifacts of an experiment, also those of the administrator.
    Experiment(ExperimentId),
    /// What one principal has deposited in an experiment. Administrators have no such quota.
    Principal(ExperimentId, PrincipalId),
}

impl QuotaScope {
    /// Returns the experiment.
    pub fn experiment(&self) -> &ExperimentId {
        match self {
            Self::Experiment(experiment) | Self::Principal(experiment, _) => experiment,
        }
    }

    /// Returns the principal, or `None` for the whole experiment.
    pub fn principal(&self) -> Option<&PrincipalId> {
        match self {
            Self::Experiment(_) => None,
            Self::Principal(_, principal) => Some(principal),
        }
    }

    /// Creates the scope of a principal, or of the whole experiment.
    pub fn new(experiment: ExperimentId, principal: Option<PrincipalId>) -> Self {
        match principal {
            None => Self::Experiment(experiment),
            Some(principal) => Self::Principal(experiment, principal),
        }
    }

    /// Returns the principal as the databases keep it: empty for the whole experiment.
    pub(crate) fn stored_principal(&self) -> &str {
        self.principal().map_or("", PrincipalId::as_str)
    }
}
