//! Workers: who may deposit, and the credentials that prove it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::call::{check_id, json, segment};
use super::token::RegistrationToken;
use crate::client::{Client, with_parameter};
use crate::credential::Credential;
use crate::error::{Error, ErrorKind, Operation, Result};

/// A worker, without its credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Worker {
    /// The id that the server minted: `wkr_` and 26 characters.
    pub worker_id: String,
    /// A label for people; two workers may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The experiment that it belongs to.
    pub experiment_id: String,
    /// When it was registered, RFC 3339 in UTC.
    pub registered_at: String,
    /// Which principal registered it.
    pub registered_by: String,
    /// Whatever was said of it at its registration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A worker with a fresh credential, which the server tells this once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegisteredWorker {
    /// The worker.
    pub worker: Worker,
    /// The secret of its credential.
    pub registration_token: RegistrationToken,
    credential: Credential,
}

impl RegisteredWorker {
    /// The worker's credential, as a client of its own needs it.
    pub fn credential(&self) -> Credential {
        self.credential.clone()
    }
}

/// What is said of a worker that is to be registered.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct NewWorker {
    /// A label for people: 1 to 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whatever else is to be said of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl NewWorker {
    /// With a name.
    #[must_use = "this gives the worker back, it does not change it in place"]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With one label more.
    #[must_use = "this gives the worker back, it does not change it in place"]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }
}

#[derive(Deserialize)]
struct Registered {
    #[serde(flatten)]
    worker: Worker,
    registration_token: String,
}

#[derive(Deserialize)]
struct Workers {
    workers: Vec<Worker>,
}

impl Client {
    /// Registers a worker: a new one with a new credential each time. For the admin.
    ///
    /// Dropping the future, or an answer that is lost, may leave a worker whose token nobody learnt;
    /// it is in the list all the same.
    ///
    /// # Errors
    ///
    /// `InvalidName`, `ReservedName`, `Forbidden`, `Unauthorized` and those of any request. After
    /// [`Interrupted`](ErrorKind::Interrupted) it may have been registered.
    pub async fn register_worker(&self, worker: &NewWorker) -> Result<RegisteredWorker> {
        let operation = Operation::RegisterWorker;
        let url = self.below(&["workers"]);
        let body = json(operation, worker)?;
        let answer = self.change_json(operation, Method::POST, url, body).await?;
        registered(operation, answer)
    }

    /// Every worker of the experiment, or those of exactly this name; there is no order to rely on.
    /// For everybody with a credential of the experiment.
    ///
    /// # Errors
    ///
    /// Those of any request.
    pub async fn list_workers(&self, name: Option<&str>) -> Result<Vec<Worker>> {
        let operation = Operation::ListWorkers;
        let mut url = self.below(&["workers"]);
        if let Some(name) = name {
            url = with_parameter(url, "name", name);
        }
        let Workers { workers } = self.read_json(operation, url).await?;
        for worker in &workers {
            check_id(operation, &worker.worker_id)?;
        }
        Ok(workers)
    }

    /// One worker. For everybody with a credential of the experiment.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of any request.
    pub async fn read_worker(&self, id: &str) -> Result<Worker> {
        let operation = Operation::ReadWorker;
        let url = self.below(&["workers", segment(operation, id)?]);
        let worker: Worker = self.read_json(operation, url).await?;
        check_id(operation, &worker.worker_id)?;
        Ok(worker)
    }

    /// Gives a worker a new credential; the former one is dead at once. For the admin.
    ///
    /// Dropping the future, or an answer that is lost, may leave the worker with a token that nobody
    /// learnt: reissue again.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of any request. After
    /// [`Interrupted`](ErrorKind::Interrupted) the former credential may be dead.
    pub async fn reissue_credential(&self, id: &str) -> Result<RegisteredWorker> {
        let operation = Operation::ReissueCredential;
        let url = self.below(&["workers", segment(operation, id)?, "reissue-credential"]);
        let answer = self.change_json(operation, Method::POST, url, None).await?;
        registered(operation, answer)
    }
}

fn registered(operation: Operation, answer: Registered) -> Result<RegisteredWorker> {
    let Registered {
        worker,
        registration_token,
    } = answer;
    check_id(operation, &worker.worker_id)?;
    let credential = Credential::new(&worker.worker_id, &registration_token).map_err(|_| {
        Error::new(ErrorKind::Protocol, operation)
            .with_answer(200, None)
            .with_detail("the registration token in the answer can be none")
    })?;
    Ok(RegisteredWorker {
        worker,
        registration_token: RegistrationToken::new(registration_token),
        credential,
    })
}
