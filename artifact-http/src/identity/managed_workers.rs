//! The workers under `/v1`: tokens that expire, revoking a token, and deleting a worker.

use std::collections::BTreeMap;

use artifact_store::{CredentialHash, Worker, WorkerId};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WRITE_PROBLEMS;
use super::json_body::{StringMap, present};
use super::request::IdentityRequest;
use super::tokens::{NewToken, Registered, expiry, token_expires_at};
use super::utf8_field::Utf8Field;
use super::workers::{NewWorker, WorkerBody, find, no_such_worker, register, reissue};
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

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ManagedWorker")]
struct ManagedWorkerBody<'w> {
    #[serde(flatten)]
    worker: WorkerBody<'w>,
    /// When its token expires, or `null` if it does not. 1970-01-01T00:00:00Z means that it was revoked.
    #[schemars(with = "Option<schemas::Time>")]
    token_expires_at: Option<String>,
}

type IssuedBody<'w> = Registered<'w, ManagedWorkerBody<'w>>;

impl<'w> ManagedWorkerBody<'w> {
    fn new(worker: &'w Worker, hash: &CredentialHash) -> Self {
        Self {
            worker: worker.into(),
            token_expires_at: token_expires_at(hash),
        }
    }
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
        let NewManagedWorker { name, labels, .. } = new;
        let (worker, issued) = register(&request, NewWorker { name, labels }, expires_at).await?;
        let body = ManagedWorkerBody::new(&worker, &issued.hash);
        let body = IssuedBody::new(body, &issued.token);
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
        let identities = request.identities();
        identities
            .delete_worker(&request.experiment.id, worker)
            .await?;
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
        let (worker, issued) = reissue(&request, worker, expires_at).await?;
        let body = ManagedWorkerBody::new(&worker, &issued.hash);
        let body = IssuedBody::new(body, &issued.token);
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
        let (experiment, revoked) = (&request.experiment.id, CredentialHash::revoked());
        let identities = request.identities();
        identities
            .replace_credential(experiment, worker, &revoked)
            .await?;
        Ok(response::empty())
    }
}
