//! `/v1/experiments/{E}/quota`, `/quotas` and `/workers/{W}/quota`: how much may be stored.

use artifact_store::{ExperimentId, PrincipalId, Quota, QuotaScope, QuotaStatus, WorkerId};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Parameters, check_no_parameters, managed, page_limit};
use crate::endpoint::{Access, Endpoint};
use crate::identity::{json_body, list};
use crate::openapi::{Answer, Docs, RequestContent, parameters, schemas};
use crate::problem::{Problem, ProblemType};
use crate::request::AuthorizedRequest;
use crate::response;
use crate::router::Service;

/// The position after the quota of the whole experiment. No principal has this id.
const AFTER_EXPERIMENT: &str = "*";

/// The limits of a quota. A limit that is missing or `null` does not exist; one at least must be there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Quota")]
struct LimitsBody {
    /// The greatest number of bytes of all artifacts together.
    #[serde(default, rename = "max_bytes")]
    #[schemars(range(max = 9_223_372_036_854_775_807_i64), extend("examples" = [10_737_418_240_u64]))]
    bytes: Option<u64>,
    /// The greatest number of artifacts.
    #[serde(default, rename = "max_artifacts")]
    #[schemars(range(max = 9_223_372_036_854_775_807_i64), extend("examples" = [100_000]))]
    artifacts: Option<u64>,
    /// The greatest number of deposits at the same time, on all servers together.
    #[serde(default, rename = "max_in_flight")]
    #[schemars(range(max = 9_223_372_036_854_775_807_i64), extend("examples" = [16]))]
    in_flight: Option<u64>,
}

impl LimitsBody {
    fn quota(&self) -> Result<Quota, Problem> {
        let limits = [self.bytes, self.artifacts, self.in_flight];
        if limits.iter().flatten().any(|limit| *limit > Quota::MAX) {
            let detail = format!("a limit is at most {}", Quota::MAX);
            return Err(Problem::bad_request(detail));
        }
        if limits == [None; 3] {
            return Err(Problem::bad_request(
                "a quota needs `max_bytes`, `max_artifacts` or `max_in_flight`; send DELETE to remove it",
            ));
        }
        Ok(Quota::default()
            .with_max_bytes(self.bytes)
            .with_max_artifacts(self.artifacts)
            .with_max_in_flight(self.in_flight))
    }
}

/// A quota, and how much of it is used.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuotaStatus")]
pub(super) struct StatusBody<'s> {
    /// The principal whose artifacts are counted, or `null` for the whole experiment.
    #[schemars(with = "Option<schemas::Principal>")]
    principal: Option<&'s str>,
    max_bytes: Option<u64>,
    max_artifacts: Option<u64>,
    max_in_flight: Option<u64>,
    /// The bytes of the artifacts.
    bytes: u64,
    /// The number of artifacts.
    artifacts: u64,
    /// The bytes that deposits in progress have reserved.
    reserved_bytes: u64,
    /// The number of deposits in progress.
    in_flight: u64,
    /// The bytes that a further deposit may have, or `null` without a limit.
    bytes_left: Option<u64>,
    /// The number of artifacts that may be deposited, or `null` without a limit.
    artifacts_left: Option<u64>,
}

impl<'s> From<&'s QuotaStatus> for StatusBody<'s> {
    fn from(status: &'s QuotaStatus) -> Self {
        Self {
            principal: status.scope.principal().map(PrincipalId::as_str),
            max_bytes: status.quota.max_bytes,
            max_artifacts: status.quota.max_artifacts,
            max_in_flight: status.quota.max_in_flight,
            bytes: status.bytes,
            artifacts: status.artifacts,
            reserved_bytes: status.reserved_bytes,
            in_flight: status.in_flight,
            bytes_left: status.bytes_left(),
            artifacts_left: status.artifacts_left(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuotaAnswer")]
struct QuotaBody<'s> {
    /// The quota, or `null` if none is set.
    quota: Option<StatusBody<'s>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Quotas")]
struct ListBody<'p> {
    quotas: Vec<StatusBody<'p>>,
    /// The value of `after` for the next page, or `null` if this page is the last one. Opaque.
    #[schemars(extend("examples" = [schemas::WORKER]))]
    next: Option<&'p str>,
}

const READ_CLAUSES: &[&str] = &["M-1", "M-2", "M-17"];
const WRITE_CLAUSES: &[&str] = &["M-1", "M-2", "M-17", "J-1"];
const ANSWER: &[Answer] = &[Answer::json::<QuotaBody<'static>>(200, "The quota.")];
const IS_SET: &[Answer] = &[Answer::empty(204, "The quota is set.")];
const IS_REMOVED: &[Answer] = &[Answer::empty(204, "There is no quota any more.")];

/// Reads a quota, if there is one.
async fn read(
    request: AuthorizedRequest<'_>,
    scope: &QuotaScope,
) -> Result<Option<QuotaStatus>, Problem> {
    check_no_parameters(&request)?;
    let managed = managed(request.service)?;
    Ok(managed.quota(&request.principal, scope).await?)
}

fn answer(status: Option<&QuotaStatus>) -> Response {
    let quota = status.map(StatusBody::from);
    response::json(StatusCode::OK, &QuotaBody { quota })
}

/// Reads the body, and sets the quota.
async fn set(request: AuthorizedRequest<'_>, scope: QuotaScope) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    let limits: LimitsBody = json_body::read(&request.parts.headers, request.body).await?;
    let quota = limits.quota()?;
    managed(request.service)?
        .set_quota(&request.principal, &scope, &quota)
        .await?;
    Ok(response::empty())
}

/// Removes a quota. Returns whether there was one.
async fn remove(request: AuthorizedRequest<'_>, scope: &QuotaScope) -> Result<bool, Problem> {
    check_no_parameters(&request)?;
    let managed = managed(request.service)?;
    Ok(managed.remove_quota(&request.principal, scope).await?)
}

/// Fails if the experiment has no such worker.
async fn check_worker(
    service: &Service,
    experiment: &ExperimentId,
    id: WorkerId,
) -> Result<(), Problem> {
    let identities = service.identities.as_deref();
    let identities =
        identities.ok_or_else(|| Problem::internal("this router has no identities"))?;
    let found = identities.identities().worker(experiment, id).await?;
    let missing = || Problem::new(ProblemType::NotFound, "there is no such worker");
    found.map(drop).ok_or_else(missing)
}

pub(crate) struct ReadQuota;

impl ReadQuota {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readQuota",
        method: Method::GET,
        path: "/v1/experiments/{E}/quota",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Read the quota of the experiment",
            clauses: READ_CLAUSES,
            answers: ANSWER,
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let scope = QuotaScope::Experiment(request.experiment.id.clone());
        let status = read(request, &scope).await?;
        Ok(answer(status.as_ref()))
    }
}

pub(crate) struct SetQuota;

impl SetQuota {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "setQuota",
        method: Method::PUT,
        path: "/v1/experiments/{E}/quota",
        access: Access::Admin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Set the quota of the experiment",
            clauses: WRITE_CLAUSES,
            content: Some(RequestContent::json::<LimitsBody>()),
            answers: IS_SET,
            problems: &[413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let scope = QuotaScope::Experiment(request.experiment.id.clone());
        set(request, scope).await
    }
}

pub(crate) struct RemoveQuota;

impl RemoveQuota {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "removeQuota",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/quota",
        access: Access::Admin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Remove the quota of the experiment",
            clauses: READ_CLAUSES,
            answers: IS_REMOVED,
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let scope = QuotaScope::Experiment(request.experiment.id.clone());
        remove(request, &scope).await?;
        Ok(response::empty())
    }
}

pub(crate) struct ReadWorkerQuota;

impl ReadWorkerQuota {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readWorkerQuota",
        method: Method::GET,
        path: "/v1/experiments/{E}/workers/{W}/quota",
        access: Access::Any,
        needs_identities: true,
        docs: Docs {
            tag: "management",
            summary: "Read the quota of a worker",
            clauses: READ_CLAUSES,
            answers: ANSWER,
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        let experiment = request.experiment.id.clone();
        let scope = QuotaScope::Principal(experiment.clone(), worker.into());
        let service = request.service;
        let status = read(request, &scope).await?;
        if status.is_none() {
            check_worker(service, &experiment, worker).await?;
        }
        Ok(answer(status.as_ref()))
    }
}

pub(crate) struct SetWorkerQuota;

impl SetWorkerQuota {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "setWorkerQuota",
        method: Method::PUT,
        path: "/v1/experiments/{E}/workers/{W}/quota",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "management",
            summary: "Set the quota of a worker",
            clauses: WRITE_CLAUSES,
            content: Some(RequestContent::json::<LimitsBody>()),
            answers: IS_SET,
            problems: &[413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        let experiment = request.experiment.id.clone();
        check_worker(request.service, &experiment, worker).await?;
        set(request, QuotaScope::Principal(experiment, worker.into())).await
    }
}

pub(crate) struct RemoveWorkerQuota;

impl RemoveWorkerQuota {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "removeWorkerQuota",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/workers/{W}/quota",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "management",
            summary: "Remove the quota of a worker",
            clauses: READ_CLAUSES,
            answers: IS_REMOVED,
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    /// Also removes the quota of a worker that was deleted.
    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        worker: WorkerId,
    ) -> Result<Response, Problem> {
        let experiment = request.experiment.id.clone();
        let scope = QuotaScope::Principal(experiment.clone(), worker.into());
        let service = request.service;
        if !remove(request, &scope).await? {
            check_worker(service, &experiment, worker).await?;
        }
        Ok(response::empty())
    }
}

pub(crate) struct ListQuotas;

impl ListQuotas {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listQuotas",
        method: Method::GET,
        path: "/v1/experiments/{E}/quotas",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "List the quotas of the experiment and of its principals",
            clauses: &["M-1", "M-2", "M-17", "L-2"],
            parameters: &[&parameters::AFTER, &parameters::LIMIT],
            answers: &[Answer::json::<ListBody<'static>>(
                200,
                "A page of the list.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let (service, experiment) = (request.service, &request.experiment.id);
        let given = Parameters::parse(request.parts.uri.query(), &["after", "limit"])?;
        let after = given.parsed("after", "be the `next` of a page", |text| {
            if text == AFTER_EXPERIMENT {
                return Some(QuotaScope::Experiment(experiment.clone()));
            }
            let principal = text.parse().ok()?;
            Some(QuotaScope::Principal(experiment.clone(), principal))
        })?;
        let limit = page_limit(&given)?;
        let permit = service.lists.acquire(&request.principal)?;
        let page = managed(service)?
            .quotas(&request.principal, experiment, after.as_ref(), limit)
            .await?;
        let next = page.next.as_ref().map(|scope| {
            let principal = scope.principal();
            principal.map_or(AFTER_EXPERIMENT, PrincipalId::as_str)
        });
        let body = ListBody {
            quotas: page.quotas.iter().map(StatusBody::from).collect(),
            next,
        };
        let response = response::json(StatusCode::OK, &body);
        Ok(list::hold(response, permit))
    }
}
