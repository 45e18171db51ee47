//! Workers and their credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::request::{check_id, id_segment, json};
use crate::address::with_parameter;
use crate::client::Client;
use crate::credential::Credential;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::response::{MAX_LIST, read_json};

/// A worker, without its credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Worker {
    /// The id that the server minted: `wkr_` and 26 characters.
    pub worker_id: String,
    /// A display name; two workers may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The experiment that it belongs to.
    pub experiment_id: String,
    /// When it was registered, RFC 3339 in UTC.
    pub registered_at: String,
    /// The principal that registered it.
    pub registered_by: String,
    /// The labels that it was registered with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When its token expires, RFC 3339 in UTC. 1970-01-01T00:00:00Z means that it was revoked. `None` if it does not
    /// expire, and in lists and responses of servers that do not say when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<String>,
}

/// A worker with a new credential, which the server shows only in this response.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegisteredWorker {
    /// The worker.
    pub worker: Worker,
    /// The secret of its credential: visible ASCII. `Debug` hides it.
    pub registration_token: SecretString,
    credential: Credential,
}

impl RegisteredWorker {
    /// Returns the worker's credential, for a client of its own.
    pub fn credential(&self) -> Credential {
        self.credential.clone()
    }
}

/// The settings of a worker to register.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewWorker {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}

/// The body of a request for a new token.
#[derive(Serialize)]
pub(crate) struct NewToken {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<u64>,
}

impl NewWorker {
    /// Sets the display name: 1 to 128 characters.
    #[must_use = "this returns the changed worker"]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a label.
    #[must_use = "this returns the changed worker"]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets how long the token is valid: 1 second to 100 years, in whole seconds. Without it, it does not expire.
    #[must_use = "this returns the changed worker"]
    pub fn with_token_expires_in(mut self, period: Duration) -> Self {
        self.expires_in = Some(period.as_secs());
        self
    }
}

#[derive(Deserialize)]
struct RegistrationResponse {
    #[serde(flatten)]
    worker: Worker,
    registration_token: SecretString,
}

#[derive(Deserialize)]
struct Workers {
    workers: Vec<Worker>,
}

impl Client {
    /// Registers a worker. Each call creates a new worker with a new credential. Only the admin may call this.
    ///
    /// If the future is dropped or the response is lost, a worker may exist whose token no client
    /// received. The list of workers contains it.
    ///
    /// # Errors
    ///
    /// `InvalidName`, `ReservedName`, `Forbidden`, `Unauthorized` and those of every request; `NotFound` if the token
    /// shall expire and the server does not do that. After [`Interrupted`](ErrorKind::Interrupted) the worker may exist.
    pub async fn register_worker(&self, worker: &NewWorker) -> Result<RegisteredWorker> {
        let operation = Operation::RegisterWorker;
        let body = json(operation, worker)?;
        let (url, expected) = match worker.expires_in {
            None => (self.url(&["workers"]), StatusCode::OK),
            Some(_) => (self.management_url(&["workers"]), StatusCode::CREATED),
        };
        let sent = self.send_change(operation, Method::POST, url, body, expected);
        let response = read_json(operation, sent.await?, MAX_LIST, self.stall_timeout()).await?;
        registered(operation, response)
    }

    /// Returns all workers of the experiment, or those with exactly this name, in no particular
    /// order. Any credential of the experiment is allowed.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn list_workers(&self, name: Option<&str>) -> Result<Vec<Worker>> {
        let operation = Operation::ListWorkers;
        let mut url = self.url(&["workers"]);
        if let Some(name) = name {
            url = with_parameter(url, "name", name);
        }
        let Workers { workers } = self.read(operation, url).await?;
        for worker in &workers {
            check_id(operation, &worker.worker_id)?;
        }
        Ok(workers)
    }

    /// Returns one worker. Any credential of the experiment is allowed.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every request.
    pub async fn read_worker(&self, id: &str) -> Result<Worker> {
        let operation = Operation::ReadWorker;
        let url = self.url(&["workers", id_segment(operation, id)?]);
        let worker: Worker = self.read(operation, url).await?;
        check_id(operation, &worker.worker_id)?;
        Ok(worker)
    }

    /// Gives a worker a new credential. The old one is invalid at once. Only the admin may call this.
    ///
    /// If the future is dropped or the response is lost, the worker may have a token that no client
    /// received; call this again.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of every request. After
    /// [`Interrupted`](ErrorKind::Interrupted) the old credential may be invalid.
    pub async fn reissue_credential(&self, id: &str) -> Result<RegisteredWorker> {
        let operation = Operation::ReissueCredential;
        let url = self.url(&["workers", id_segment(operation, id)?, "reissue-credential"]);
        let response = self.change(operation, Method::POST, url, None).await?;
        registered(operation, response)
    }
}

impl Client {
    /// Returns one worker, also with [`token_expires_at`](Worker::token_expires_at). Any credential of the experiment is
    /// allowed.
    ///
    /// # Errors
    ///
    /// `NotFound`, also if the server does not say when tokens expire, and those of every request.
    pub async fn worker_info(&self, id: &str) -> Result<Worker> {
        let operation = Operation::ReadWorker;
        let url = self.management_url(&["workers", id_segment(operation, id)?]);
        let worker: Worker = self.read(operation, url).await?;
        check_id(operation, &worker.worker_id)?;
        Ok(worker)
    }

    /// Gives a worker a new token that is valid for 1 second to 100 years, in whole seconds. The old one is invalid at
    /// once. Only the admin may call this. [`reissue_credential`](Self::reissue_credential) gives it one that does not
    /// expire.
    ///
    /// If the future is dropped or the response is lost, the worker may have a token that no client
    /// received; call this again.
    ///
    /// # Errors
    ///
    /// `BadRequest` for another time; `NotFound`, `Forbidden`, and those of every request. After
    /// [`Interrupted`](ErrorKind::Interrupted) the old token may be invalid.
    pub async fn issue_token(&self, id: &str, valid_for: Duration) -> Result<RegisteredWorker> {
        let operation = Operation::ReissueCredential;
        let url = self.management_url(&["workers", id_segment(operation, id)?, "token"]);
        let expires_in = Some(valid_for.as_secs());
        let body = json(operation, &NewToken { expires_in })?;
        let response = self.change(operation, Method::POST, url, body).await?;
        registered(operation, response)
    }

    /// Makes the token of a worker invalid. The worker stays, and can get a new token. Only the admin may call this.
    /// When this returns, no server of the deployment accepts the token.
    ///
    /// If the future is dropped, the token is invalid or not.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of every request.
    pub async fn revoke_token(&self, id: &str) -> Result<()> {
        let operation = Operation::RevokeToken;
        let url = self.management_url(&["workers", id_segment(operation, id)?, "token"]);
        self.delete(operation, url, false).await
    }

    /// Deletes a worker and makes its token invalid. Its artifacts stay. Only the admin may call this.
    ///
    /// The request is repeated after a lost response. If the server then has no such worker, an earlier attempt has
    /// deleted it, and the call succeeds. If the future is dropped, the worker is deleted or not.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of every request.
    pub async fn delete_worker(&self, id: &str) -> Result<()> {
        let operation = Operation::DeleteWorker;
        let url = self.management_url(&["workers", id_segment(operation, id)?]);
        self.delete(operation, url, true).await
    }
}

fn registered(operation: Operation, response: RegistrationResponse) -> Result<RegisteredWorker> {
    let RegistrationResponse {
        worker,
        registration_token,
    } = response;
    check_id(operation, &worker.worker_id)?;
    let token = registration_token.expose_secret();
    let credential = Credential::new(&worker.worker_id, token).map_err(|_| {
        Error::new(ErrorKind::Protocol, operation)
            .with_response(200, None)
            .with_detail("the registration token in the response has characters that no token has")
    })?;
    Ok(RegisteredWorker {
        worker,
        registration_token,
        credential,
    })
}
