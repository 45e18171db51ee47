//! `GET` and `POST /v1/experiments`.

use artifact_store::{Experiment, ExperimentId, Timestamp};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{check_no_parameters, managed};
use crate::endpoint::{Access, Endpoint};
use crate::experiment::ExperimentBody;
use crate::identity::{json_body, list};
use crate::openapi::{Answer, Docs, RequestContent, schemas};
use crate::problem::Problem;
use crate::request::{AuthorizedRequest, Deployment};
use crate::response;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Experiments")]
struct ExperimentsBody<'e> {
    experiments: Vec<ExperimentBody<'e>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewExperiment {
    /// 1 to 128 of the characters A-Z a-z 0-9 - . _ ~, but neither `.` nor `..`.
    #[schemars(with = "schemas::ExperimentName")]
    experiment_id: String,
}

pub(crate) struct ListExperiments;

impl ListExperiments {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listExperiments",
        method: Method::GET,
        path: "/v1/experiments",
        access: Access::Admin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "List the experiments",
            clauses: &["M-1", "M-2", "M-12", "J-4", "L-2"],
            answers: &[Answer::json::<ExperimentsBody<'static>>(
                200,
                "The experiments.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_, Deployment>,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let service = request.service;
        let permit = service.lists.acquire(&request.principal)?;
        let experiments = managed(service)?.experiments(&request.principal).await?;
        let body = ExperimentsBody {
            experiments: experiments.iter().map(ExperimentBody::from).collect(),
        };
        let response = response::json(StatusCode::OK, &body);
        Ok(list::hold(response, permit))
    }
}

pub(crate) struct CreateExperiment;

impl CreateExperiment {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "createExperiment",
        method: Method::POST,
        path: "/v1/experiments",
        access: Access::Admin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Create an experiment",
            clauses: &["M-1", "M-2", "M-12", "G-1", "J-1"],
            content: Some(RequestContent::json::<NewExperiment>()),
            answers: &[Answer::json::<ExperimentBody<'static>>(
                200,
                "The experiment; one that was there is unchanged.",
            )],
            problems: &[413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_, Deployment>,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let AuthorizedRequest {
            service,
            principal,
            parts,
            body,
            ..
        } = request;
        let NewExperiment { experiment_id } = json_body::read(&parts.headers, body).await?;
        let id: ExperimentId = experiment_id.parse().map_err(|error| {
            let detail = "`experiment_id` must have 1 to 128 of the characters A-Z a-z 0-9 - . _ ~, \
                and be neither `.` nor `..`";
            Problem::bad_request(detail).with_source(error)
        })?;
        parts.is_about_experiment(&id);
        let now = Timestamp::try_from(service.store.config().clock().now());
        let now = now.map_err(|error| {
            Problem::internal("the clock's time is outside of the supported years")
                .with_source(error)
        })?;
        let stored = managed(service)?
            .create_experiment(&principal, &Experiment::new(id, now))
            .await?;
        Ok(response::json(
            StatusCode::OK,
            &ExperimentBody::from(&stored),
        ))
    }
}
