//! How much is stored.

use crate::principal::PrincipalId;

/// How much one principal has stored in an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrincipalUsage {
    /// The depositor.
    pub created_by: PrincipalId,
    /// The number of artifacts.
    pub artifacts: u64,
    /// Their sizes in all, in bytes.
    pub bytes: u64,
}

impl PrincipalUsage {
    /// Creates the usage of a principal.
    pub fn new(created_by: PrincipalId, artifacts: u64, bytes: u64) -> Self {
        Self {
            created_by,
            artifacts,
            bytes,
        }
    }
}
