//! How much is stored.

use serde::{Deserialize, Serialize};

use super::QuotaStatus;
use crate::client::Client;
use crate::error::{Operation, Result};

/// How much is stored in an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// The number of artifacts.
    pub artifacts: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// The same for each depositor.
    pub principals: Vec<PrincipalUsage>,
    /// The quota of the experiment for administrators, that of the principal itself for others, if one is set.
    #[serde(default)]
    pub quota: Option<QuotaStatus>,
}

/// How much one principal has stored in an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PrincipalUsage {
    /// The depositor.
    pub created_by: String,
    /// The number of artifacts.
    pub artifacts: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
}

impl Client {
    /// Returns how much is stored in the experiment. For others than administrators, it counts only what they deposited
    /// themselves.
    ///
    /// # Errors
    ///
    /// `NotFound` if the server does not count artifacts, and those of every request.
    pub async fn usage(&self) -> Result<Usage> {
        let url = self.management_url(&["usage"]);
        self.read(Operation::ReadUsage, url).await
    }
}
