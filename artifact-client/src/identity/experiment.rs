//! The experiment, and the identity of the client.

use serde::{Deserialize, Serialize};

use super::request::check_id;
use crate::client::Client;
use crate::error::{Operation, Result};

/// An experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Experiment {
    /// Its id.
    pub experiment_id: String,
    /// Its state: `running`.
    pub state: String,
    /// When it was created, RFC 3339 in UTC.
    pub created_at: String,
    /// Its origin, if it was imported.
    #[serde(default)]
    pub imported_from: Option<String>,
}

/// The worker that a credential belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Whoami {
    /// Its id.
    pub worker_id: String,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Client {
    /// Returns the experiment of this client. Any credential of the experiment is allowed.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn read_experiment(&self) -> Result<Experiment> {
        self.read(Operation::ReadExperiment, self.url(&[])).await
    }

    /// Returns the worker that this client's credential belongs to.
    ///
    /// # Errors
    ///
    /// `Forbidden` for administrators, who are not workers, and those of every request.
    pub async fn whoami(&self) -> Result<Whoami> {
        let operation = Operation::Whoami;
        let whoami: Whoami = self.read(operation, self.url(&["whoami"])).await?;
        check_id(operation, &whoami.worker_id)?;
        Ok(whoami)
    }
}
