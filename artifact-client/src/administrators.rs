//! Named administrators and their credentials.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::address::with_parameters;
use crate::client::Client;
use crate::credential::Credential;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::identity::{NewToken, check_id, id_segment, json};
use crate::response::{MAX_LIST, read_json};

/// A named administrator, without its credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Administrator {
    /// The id that the server minted: `adm_` and 26 characters.
    pub administrator_id: String,
    /// A display name; two administrators may have the same.
    pub name: String,
    /// When it was registered, RFC 3339 in UTC.
    pub created_at: String,
    /// The principal that registered it.
    pub created_by: String,
    /// When its token expires, RFC 3339 in UTC. 1970-01-01T00:00:00Z means that it was revoked. `None` if it does not
    /// expire.
    pub token_expires_at: Option<String>,
}

/// A named administrator with a new credential, which the server shows only in this response.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegisteredAdministrator {
    /// The administrator.
    pub administrator: Administrator,
    /// The secret of its credential: visible ASCII. `Debug` hides it.
    pub registration_token: SecretString,
    credential: Credential,
}

impl RegisteredAdministrator {
    /// Returns the administrator's credential, for a client of its own.
    pub fn credential(&self) -> Credential {
        self.credential.clone()
    }
}

/// The settings of an administrator to register.
#[derive(Debug, Clone, Serialize)]
pub struct NewAdministrator {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}

impl NewAdministrator {
    /// Creates the settings with a display name of 1 to 128 characters, and a token that does not expire.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            expires_in: None,
        }
    }

    /// Sets how long the token is valid: 1 second to 100 years, in whole seconds.
    #[must_use = "this returns the changed administrator"]
    pub fn with_token_expires_in(mut self, period: Duration) -> Self {
        self.expires_in = Some(period.as_secs());
        self
    }
}

#[derive(Deserialize)]
struct RegistrationResponse {
    #[serde(flatten)]
    administrator: Administrator,
    registration_token: SecretString,
}

#[derive(Deserialize)]
struct ListResponse {
    administrators: Vec<Administrator>,
    next: Option<String>,
}

/// Registers, lists and deletes named administrators. They belong to the whole deployment, not to the experiment of the
/// client. Only `admin` and named administrators may call these.
impl Client {
    /// Registers a named administrator. Each call creates a new one with a new credential.
    ///
    /// If the future is dropped or the response is lost, an administrator may exist whose token no client received. The
    /// list of administrators contains it.
    ///
    /// # Errors
    ///
    /// `InvalidName`, `ReservedName`, `Forbidden`, `BadRequest` for another time, and those of every request. After
    /// [`Interrupted`](ErrorKind::Interrupted) the administrator may exist.
    pub async fn register_administrator(
        &self,
        administrator: &NewAdministrator,
    ) -> Result<RegisteredAdministrator> {
        let operation = Operation::RegisterAdministrator;
        let body = json(operation, administrator)?;
        let (url, expected) = (
            self.deployment_url(&["administrators"]),
            StatusCode::CREATED,
        );
        let sent = self.send_change(operation, Method::POST, url, body, expected);
        let response = read_json(operation, sent.await?, MAX_LIST, self.stall_timeout()).await?;
        registered(operation, response)
    }

    /// Returns all named administrators, in the order in which they were registered. Reads the list page by page.
    ///
    /// # Errors
    ///
    /// `Forbidden`, and those of every request.
    pub async fn list_administrators(&self) -> Result<Vec<Administrator>> {
        let operation = Operation::ListAdministrators;
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut url = self.deployment_url(&["administrators"]);
            let after_it = after.iter().map(|after| ("after", after.as_str()));
            with_parameters(&mut url, after_it.chain([("limit", "256")]));
            let page: ListResponse = self.read(operation, url).await?;
            for administrator in &page.administrators {
                check_id(operation, &administrator.administrator_id)?;
            }
            all.extend(page.administrators);
            match page.next {
                None => return Ok(all),
                // A server that repeats a position would never come to an end.
                Some(next) if after.as_ref() == Some(&next) => {
                    return Err(Error::new(ErrorKind::Protocol, operation)
                        .with_response(200, None)
                        .with_detail("the server returns the same page of the list again"));
                }
                Some(next) => after = Some(next),
            }
        }
    }

    /// Returns one named administrator.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of every request.
    pub async fn administrator_info(&self, id: &str) -> Result<Administrator> {
        let operation = Operation::ReadAdministrator;
        let url = self.deployment_url(&["administrators", id_segment(operation, id)?]);
        let administrator: Administrator = self.read(operation, url).await?;
        check_id(operation, &administrator.administrator_id)?;
        Ok(administrator)
    }

    /// Gives a named administrator a new token that is valid for 1 second to 100 years, in whole seconds, or with `None`
    /// for ever. The old one is invalid at once.
    ///
    /// If the future is dropped or the response is lost, the administrator may have a token that no client received; call
    /// this again.
    ///
    /// # Errors
    ///
    /// `BadRequest` for another time; `NotFound`, `Forbidden`, and those of every request. After
    /// [`Interrupted`](ErrorKind::Interrupted) the old token may be invalid.
    pub async fn issue_administrator_token(
        &self,
        id: &str,
        valid_for: Option<Duration>,
    ) -> Result<RegisteredAdministrator> {
        let operation = Operation::IssueAdministratorToken;
        let id = id_segment(operation, id)?;
        let url = self.deployment_url(&["administrators", id, "token"]);
        let expires_in = valid_for.map(|period| period.as_secs());
        let body = json(operation, &NewToken { expires_in })?;
        let response = self.change(operation, Method::POST, url, body).await?;
        registered(operation, response)
    }

    /// Makes the token of a named administrator invalid. The administrator stays, and can get a new token. When this
    /// returns, no server of the deployment accepts the token.
    ///
    /// If the future is dropped, the token is invalid or not.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of every request.
    pub async fn revoke_administrator_token(&self, id: &str) -> Result<()> {
        let operation = Operation::RevokeAdministratorToken;
        let id = id_segment(operation, id)?;
        let url = self.deployment_url(&["administrators", id, "token"]);
        self.delete(operation, url, false).await
    }

    /// Deletes a named administrator and makes its token invalid. Its artifacts stay.
    ///
    /// The request is repeated after a lost response. If the server then has no such administrator, an earlier attempt
    /// has deleted it, and the call succeeds. If the future is dropped, the administrator is deleted or not.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden`, and those of every request.
    pub async fn delete_administrator(&self, id: &str) -> Result<()> {
        let operation = Operation::DeleteAdministrator;
        let url = self.deployment_url(&["administrators", id_segment(operation, id)?]);
        self.delete(operation, url, true).await
    }
}

fn registered(
    operation: Operation,
    response: RegistrationResponse,
) -> Result<RegisteredAdministrator> {
    let RegistrationResponse {
        administrator,
        registration_token,
    } = response;
    check_id(operation, &administrator.administrator_id)?;
    let token = registration_token.expose_secret();
    let credential = Credential::new(&administrator.administrator_id, token).map_err(|_| {
        Error::new(ErrorKind::Protocol, operation)
            .with_response(200, None)
            .with_detail("the registration token in the response has characters that no token has")
    })?;
    Ok(RegisteredAdministrator {
        administrator,
        registration_token,
        credential,
    })
}
