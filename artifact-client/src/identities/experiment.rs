//! The experiment itself, and who one is in it.

use serde::{Deserialize, Serialize};

use super::call::check_id;
use crate::client::Client;
use crate::error::{Operation, Result};

/// An experiment as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Experiment {
    /// Its id.
    pub experiment_id: String,
    /// What it does: `running`.
    pub state: String,
    /// When it was created, RFC 3339 in UTC.
    pub created_at: String,
    /// Where it came from, where it was not created here.
    #[serde(default)]
    pub imported_from: Option<String>,
}

/// The worker whose credential a client has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Whoami {
    /// Its id.
    pub worker_id: String,
    /// Its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Client {
    /// The experiment of this client. For everybody with a credential of it.
    ///
    /// # Errors
    ///
    /// Those of any request.
    pub async fn read_experiment(&self) -> Result<Experiment> {
        self.read_json(Operation::ReadExperiment, self.below(&[]))
            .await
    }

    /// Which worker the server takes this client for.
    ///
    /// # Errors
    ///
    /// `Forbidden` for the admin, who is no worker, and those of any request.
    pub async fn whoami(&self) -> Result<Whoami> {
        let operation = Operation::Whoami;
        let whoami: Whoami = self.read_json(operation, self.below(&["whoami"])).await?;
        check_id(operation, &whoami.worker_id)?;
        Ok(whoami)
    }
}
