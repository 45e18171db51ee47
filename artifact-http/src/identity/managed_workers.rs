//! The workers under `/v1`: tokens that expire, revoking a token, and deleting a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use artifact_store::{CredentialHash, ErrorKind, Timestamp, Worker, WorkerId};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WRITE_PROBLEMS;
use super::json_body::{StringMap, present};
use super::request::IdentityRequest;
use super::utf8_field::Utf8Field;
use super::workers::{WorkerBody, find, new_worker, no_such_worker};
use crate::credential::Secret;
use crate::endpoint::{Access, Endpoint};
use crate::management::{MAX_KEEP_SECONDS, check_no_parameters};
use crate::openapi::{Answer, Docs, Links, RequestContent, schemas};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewManagedWorker {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "schemas::DisplayName")]
    name: Option<Utf8Field>,
    /// Strings by string. The server does not interpret them.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "BTreeMap<String, String>", extend("examples" = [{ "zone": "a" }]))]
    labels: Option<StringMap>,
    /// How many seconds the token is valid, 1 to 3153600000. Without it, it does not expire.
    #[serde(default, deserialize_with = "present")]
    #[schemars(range(min = 1, max = MAX_KEEP_SECONDS), extend("examples" = [86_400]))]
    expires_in: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// How many seconds the token is valid, 1 to 3153600000. Without it, it does not expire.
    #[serde(default, deserialize_with = "present")]
    #[schemars(range(min = 1, max = MAX_KEEP_SECONDS), extend("examples" = [86_400]))]
    expires_in: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ManagedWorker")]
struct ManagedWorkerBody<'w> {
    #[serde(flatten)]
    worker: WorkerBody<'w>,
    /// When its token expires, or `null` if it does not. 1970-01-01T00:00:00Z means that it was revoked.
    #[schemars(with = "Option<schemas::Time>")]
    token_expires_at: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegisteredManagedWorker")]
struct IssuedBody<'w> {
    #[serde(flatten)]
    worker: ManagedWorkerBody<'w>,
    /// The worker's secret. It is returned only once; the server keeps only a hash of it.
    #[schemars(extend("examples" = ["q3Vw0b2mJ8Yx5cR1tK7nD4sF6hL9pZaEuG3iO0wXyQk"]))]
    registration_token: &'w str,
}

impl<'w> ManagedWorkerBody<'w> {
    fn new(worker: &'w Worker, hash: &CredentialHash) -> Self {
        Self {
            worker: worker.into(),
            token_expires_at: hash.expires_at().map(|time| time.to_string()),
        }
    }
}

impl<'w> IssuedBody<'w> {
    fn new(worker: &'w Worker, hash: &CredentialHash, token: &'w Secret) -> Self {
        Self {
            worker: ManagedWorkerBody::new(worker, hash),
            registration_token: token.expose(),
        }
    }
}

/// Returns when a token expires that is valid for this number of seconds.
fn expiry(now: Timestamp, seconds: Option<u64>) -> Result<Option<Timestamp>, Problem> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    let valid = Some(seconds).filter(|seconds| (1..=MAX_KEEP_SECONDS).contains(seconds));
    let seconds = valid.ok_or_else(|| {
        Problem::bad_request(format!(
            "`expires_in` must be a number of seconds from 1 to {MAX_KEEP_SECONDS}"
        ))
    })?;
    let expires_at = now.checked_add(Duration::from_secs(seconds));
    expires_at.map(Some).map_err(|error| {
        Problem::bad_request("`expires_in` ends after the last representable time")
            .with_source(error)
    })
}

pub(crate) struct RegisterManagedWorker;

impl RegisterManagedWorker {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "registerManagedWorker",
        method: Method::POST,
        path: "/v1/experiments/{E}/workers",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Register a worker whose token may expire",
            clauses: &[
                "M-1", "M-2", "M-13", "W-1", "N-1", "N-2", "N-3", "J-1", "A-7",
            ],
            content: Some(RequestContent::optional_json::<NewManagedWorker>()),
            answers: &[Answer::json::<IssuedBody<'static>>(
                201,
                "The worker with its token, which is returned only once.",
            )
            .with_links(Links {
                member: "worker_id",
                parameter: "W",
                operations: &[
                    "readManagedWorker",
                    "issueToken",
                    "revokeToken",
                    "deleteWorker",
                ],
            })],
            problems: WRITE_PROBLEMS,
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let (request, new): (_, NewManagedWorker) = IdentityRequest::with_json(request).await?;
        let expires_at = expiry(request.now()?, new.expires_in)?;
        let worker = new_worker(&request, new.name, new.labels)?;
        let issued = request.authenticator.issue(worker.id).await?;
        let hash = issued.hash.with_expires_at(expires_at);
        request.identities().register_worker(&worker, &hash).await?;
        let body = IssuedBody::new(&worker, &hash, &issued.token);
        Ok(response::json(StatusCode::CREATED, &body))
    }
}

pub(crate) struct ReadManagedWorker;

impl ReadManagedWorker {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readManagedWorker",
        method: Method::GET,
        path: "/v1/experiments/{E}/workers/{W}",
        access: Access::Any,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Read a worker and when its token expires",
            clauses: &["M-1", "M-2", "M-13", "W-3", "I-2"],
            answers: &[Answer::json::<ManagedWorkerBody<'static>>(
                200,
                "The worker.",
            )],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let request = IdentityRequest::new(request)?;
        let worker = find(&request, worker).await?;
        let stored = request.identities().credential(worker.id).await?;
        // A worker that was deleted between the two reads is no longer there.
        let stored = stored.ok_or_else(no_such_worker)?;
        let body = ManagedWorkerBody::new(&worker, &stored.hash);
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct DeleteWorker;

impl DeleteWorker {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "deleteWorker",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/workers/{W}",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Delete a worker; its artifacts stay",
            clauses: &["M-1", "M-2", "M-14", "I-2"],
            answers: &[Answer::empty(
                204,
                "The worker is deleted and its token invalid.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let request = IdentityRequest::new(request)?;
        let deleted = request
            .identities()
            .delete_worker(&request.experiment.id, worker);
        deleted.await.map_err(not_found)?;
        Ok(response::empty())
    }
}

pub(crate) struct IssueToken;

impl IssueToken {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "issueToken",
        method: Method::POST,
        path: "/v1/experiments/{E}/workers/{W}/token",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Give a worker a new token, which may expire",
            clauses: &["M-1", "M-2", "M-13", "W-5", "I-2", "J-1", "A-7"],
            content: Some(RequestContent::optional_json::<NewToken>()),
            answers: &[Answer::json::<IssuedBody<'static>>(
                200,
                "The worker with its new token, which is returned only once.",
            )],
            problems: &[413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let (request, new): (_, NewToken) = IdentityRequest::with_json(request).await?;
        let expires_at = expiry(request.now()?, new.expires_in)?;
        let worker = find(&request, worker).await?;
        let issued = request.authenticator.issue(worker.id).await?;
        let hash = issued.hash.with_expires_at(expires_at);
        replace(&request, worker.id, &hash).await?;
        let body = IssuedBody::new(&worker, &hash, &issued.token);
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct RevokeToken;

impl RevokeToken {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "revokeToken",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/workers/{W}/token",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Revoke the token of a worker",
            clauses: &["M-1", "M-2", "M-14", "I-2"],
            answers: &[Answer::empty(204, "The worker has no valid token.")],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let request = IdentityRequest::new(request)?;
        replace(&request, worker, &CredentialHash::revoked()).await?;
        Ok(response::empty())
    }
}

async fn replace(
    request: &IdentityRequest<'_>,
    worker: WorkerId,
    hash: &CredentialHash,
) -> Result<(), Problem> {
    let replaced = request
        .identities()
        .replace_credential(&request.experiment.id, worker, hash);
    replaced.await.map_err(not_found)
}

/// Turns the error for a worker that does not exist into the answer to one.
fn not_found(error: artifact_store::Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => no_such_worker(),
        _ => error.into(),
    }
}
