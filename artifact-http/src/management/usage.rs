//! `GET /v1/experiments/{E}/usage`.

use artifact_store::{PrincipalUsage, QuotaScope, QuotaStatus};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::quota::StatusBody;
use super::{check_no_parameters, managed};
use crate::endpoint::{Access, Endpoint};
use crate::identity::list;
use crate::openapi::{Answer, Docs, schemas};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

/// How much is stored.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Usage")]
struct UsageBody<'u> {
    /// The number of artifacts.
    artifacts: u64,
    /// Their sizes in all.
    bytes: u64,
    principals: Vec<PrincipalUsageBody<'u>>,
    /// The quota of the experiment for administrators, that of the principal itself for others; `null` if none is set.
    quota: Option<StatusBody<'u>>,
}

/// How much one principal has stored.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PrincipalUsage")]
struct PrincipalUsageBody<'u> {
    #[schemars(with = "schemas::Principal")]
    created_by: &'u str,
    /// The number of artifacts.
    artifacts: u64,
    /// Their sizes in all.
    bytes: u64,
}

impl<'u> UsageBody<'u> {
    fn new(principals: &'u [PrincipalUsage], quota: Option<&'u QuotaStatus>) -> Self {
        let sum = |number: fn(&PrincipalUsage) -> u64| {
            principals.iter().map(number).fold(0, u64::saturating_add)
        };
        let each = principals.iter().map(|usage| PrincipalUsageBody {
            created_by: usage.created_by.as_str(),
            artifacts: usage.artifacts,
            bytes: usage.bytes,
        });
        Self {
            artifacts: sum(|usage| usage.artifacts),
            bytes: sum(|usage| usage.bytes),
            principals: each.collect(),
            quota: quota.map(StatusBody::from),
        }
    }
}

pub(crate) struct ReadUsage;

impl ReadUsage {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readUsage",
        method: Method::GET,
        path: "/v1/experiments/{E}/usage",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Read how much is stored",
            clauses: &["M-1", "M-2", "M-7", "M-17", "L-2"],
            answers: &[Answer::json::<UsageBody<'static>>(200, "The usage.")],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let service = request.service;
        // The database looks at every row of the experiment, so this counts as a list.
        let permit = service.lists.acquire(&request.principal)?;
        let managed = managed(service)?;
        let (principal, experiment) = (&request.principal, &request.experiment.id);
        let principals = managed.usage(principal, experiment).await?;
        let scope = if principal.is_admin_class() {
            QuotaScope::Experiment(experiment.clone())
        } else {
            QuotaScope::Principal(experiment.clone(), principal.id())
        };
        let quota = managed.quota(principal, &scope).await?;
        let body = UsageBody::new(&principals, quota.as_ref());
        let response = response::json(StatusCode::OK, &body);
        Ok(list::hold(response, permit))
    }
}
