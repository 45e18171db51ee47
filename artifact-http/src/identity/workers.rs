//! `/workers` and `/whoami`.

use std::collections::BTreeMap;

use artifact_audit::AuditField;
use artifact_store::{
    DisplayName, ExperimentId, IdentityStore, Labels, ListPosition, Page, PrincipalId, Timestamp,
    Worker, WorkerId,
};
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json_body::{StringMap, present};
use super::list::{self, ListRecord};
use super::request::IdentityRequest;
use super::tokens::{Registered, issue};
use super::utf8_field::Utf8Field;
use super::{WRITE_PROBLEMS, parse_name};
use crate::endpoint::{Access, Endpoint};
use crate::identity_authenticator::Issued;
use crate::openapi::{Answer, Docs, Links, RequestContent, parameters, schemas};
use crate::problem::{Problem, ProblemType};
use crate::request::AuthorizedRequest;
use crate::response;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWorker {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "schemas::DisplayName")]
    pub(super) name: Option<Utf8Field>,
    /// Strings by string. The server does not interpret them.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "BTreeMap<String, String>", extend("examples" = [{ "zone": "a" }]))]
    pub(super) labels: Option<StringMap>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Worker")]
pub(super) struct WorkerBody<'w> {
    #[schemars(with = "schemas::WorkerId")]
    worker_id: &'w str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schemas::DisplayName")]
    name: Option<&'w str>,
    #[schemars(with = "schemas::ExperimentField")]
    experiment_id: &'w str,
    #[schemars(with = "schemas::Time")]
    registered_at: String,
    #[schemars(with = "schemas::Principal")]
    registered_by: &'w str,
    /// Strings by string. The server does not interpret them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, String>", extend("examples" = [{ "zone": "a" }]))]
    labels: Option<&'w BTreeMap<String, String>>,
}

type RegisteredBody<'w> = Registered<'w, WorkerBody<'w>>;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Workers")]
struct WorkersBody<'w> {
    workers: Vec<WorkerBody<'w>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Whoami")]
struct WhoamiBody<'w> {
    #[schemars(with = "schemas::WorkerId")]
    worker_id: &'w str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schemas::DisplayName")]
    name: Option<&'w str>,
}

impl<'w> From<&'w Worker> for WorkerBody<'w> {
    fn from(worker: &'w Worker) -> Self {
        Self {
            worker_id: worker.id.as_str(),
            name: worker.name.as_ref().map(DisplayName::as_str),
            experiment_id: worker.experiment.as_str(),
            registered_at: worker.registered_at.to_string(),
            registered_by: worker.registered_by.as_str(),
            labels: worker.labels.as_ref().map(Labels::as_map),
        }
    }
}

impl ListRecord for Worker {
    const START: &'static [u8] = br#"{"workers":["#;

    fn page<'p>(
        identities: &'p dyn IdentityStore,
        experiment: &'p ExperimentId,
        name: Option<&'p DisplayName>,
        after: &'p ListPosition,
    ) -> BoxFuture<'p, artifact_store::Result<Page<Self>>> {
        identities.worker_page(experiment, name, after)
    }

    fn append(&self, json: &mut Vec<u8>) {
        response::append_json(json, &WorkerBody::from(self));
    }
}

pub(crate) struct RegisterWorker;

impl RegisterWorker {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "registerWorker",
        method: Method::POST,
        path: "/v0/experiments/{E}/workers",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Register a worker",
            clauses: &["W-1", "I-1", "N-1", "N-2", "N-3", "J-1", "A-7"],
            content: Some(RequestContent::optional_json::<NewWorker>()),
            answers: &[Answer::json::<RegisteredBody<'static>>(
                200,
                "The worker with its token, which is returned only once.",
            )
            .with_links(Links {
                member: "worker_id",
                parameter: "W",
                operations: &["readWorker", "reissueCredential"],
            })],
            problems: WRITE_PROBLEMS,
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let (request, new): (_, NewWorker) = IdentityRequest::with_json(request).await?;
        let (worker, issued) = register(&request, new, None).await?;
        let body = RegisteredBody::new((&worker).into(), &issued.token);
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct ListWorkers;

impl ListWorkers {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listWorkers",
        method: Method::GET,
        path: "/v0/experiments/{E}/workers",
        access: Access::Any,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "List workers",
            clauses: &["W-2", "W-4", "L-1", "L-2", "L-3"],
            parameters: &[&parameters::NAME],
            answers: &[Answer::json::<WorkersBody<'static>>(200, "The workers.")],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        list::respond::<Worker>(&IdentityRequest::new(request)?).await
    }
}

pub(crate) struct ReadWorker;

impl ReadWorker {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readWorker",
        method: Method::GET,
        path: "/v0/experiments/{E}/workers/{W}",
        access: Access::Any,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Read a worker",
            clauses: &["W-3", "W-4", "I-2"],
            answers: &[Answer::json::<WorkerBody<'static>>(200, "The worker.")],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        let request = IdentityRequest::new(request)?;
        let worker = find(&request, worker).await?;
        Ok(response::json(StatusCode::OK, &WorkerBody::from(&worker)))
    }
}

pub(crate) struct ReissueCredential;

impl ReissueCredential {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "reissueCredential",
        method: Method::POST,
        path: "/v0/experiments/{E}/workers/{W}/reissue-credential",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Give a worker a new token",
            clauses: &["W-5", "I-2", "J-2", "A-7"],
            answers: &[Answer::json::<RegisteredBody<'static>>(
                200,
                "The worker with its new token, which is returned only once.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        let request = IdentityRequest::new(request)?;
        let (worker, issued) = reissue(&request, worker, None).await?;
        let body = RegisteredBody::new((&worker).into(), &issued.token);
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct Whoami;

impl Whoami {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "whoami",
        method: Method::GET,
        path: "/v0/experiments/{E}/whoami",
        access: Access::Worker,
        needs_identities: true,
        docs: Docs {
            tag: "workers",
            summary: "Read one's own id and name",
            clauses: &["W-6"],
            answers: &[Answer::json::<WhoamiBody<'static>>(
                200,
                "The worker that sent the request.",
            )],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let request = IdentityRequest::new(request)?;
        let PrincipalId::Worker(id) = request.principal.id() else {
            return Err(no_such_worker());
        };
        let worker = find(&request, id).await?;
        let body = WhoamiBody {
            worker_id: worker.id.as_str(),
            name: worker.name.as_ref().map(DisplayName::as_str),
        };
        Ok(response::json(StatusCode::OK, &body))
    }
}

/// Registers a worker with a new id and a new token.
pub(super) async fn register(
    request: &IdentityRequest<'_>,
    new: NewWorker,
    token_expires_at: Option<Timestamp>,
) -> Result<(Worker, Issued), Problem> {
    let worker = Worker::new(
        WorkerId::mint(),
        request.experiment.id.clone(),
        request.now()?,
        request.principal.id(),
    )
    .with_name(new.name.map(parse_name).transpose()?)
    .with_labels(new.labels.map(parse_labels).transpose()?);
    request.parts.is_about(AuditField::Worker, &worker.id);
    let issued = issue(request, worker.id.as_str(), token_expires_at).await?;
    let identities = request.identities();
    identities.register_worker(&worker, &issued.hash).await?;
    Ok((worker, issued))
}

/// Gives a worker a new token.
pub(super) async fn reissue(
    request: &IdentityRequest<'_>,
    worker: WorkerId,
    token_expires_at: Option<Timestamp>,
) -> Result<(Worker, Issued), Problem> {
    // Only the credential of a worker ever changes, so the row can be read before the write.
    let worker = find(request, worker).await?;
    let issued = issue(request, worker.id.as_str(), token_expires_at).await?;
    let identities = request.identities();
    identities
        .replace_credential(&request.experiment.id, worker.id, &issued.hash)
        .await?;
    Ok((worker, issued))
}

fn parse_labels(labels: StringMap) -> Result<Labels, Problem> {
    Labels::try_from(labels.0)
        .map_err(|error| Problem::bad_request(error.to_string()).with_source(error))
}

pub(super) async fn find(request: &IdentityRequest<'_>, id: WorkerId) -> Result<Worker, Problem> {
    let worker = request.identities().worker(&request.experiment.id, id);
    worker.await?.ok_or_else(no_such_worker)
}

pub(super) fn no_such_worker() -> Problem {
    Problem::new(ProblemType::NotFound, "there is no such worker")
}
