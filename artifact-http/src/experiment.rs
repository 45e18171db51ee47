//! `GET /v0/experiments/{E}`.

use artifact_store::Experiment;
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::endpoint::{Access, Endpoint};
use crate::openapi::{Answer, Docs};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Experiment")]
pub(crate) struct ExperimentBody<'e> {
    /// The experiment.
    #[schemars(extend("examples" = ["default"]))]
    experiment_id: &'e str,
    state: State,
    /// RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time", "examples" = ["2026-01-02T03:04:05.000006Z"]))]
    created_at: String,
    imported_from: (),
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum State {
    Running,
}

impl<'e> From<&'e Experiment> for ExperimentBody<'e> {
    fn from(experiment: &'e Experiment) -> Self {
        Self {
            experiment_id: experiment.id.as_str(),
            state: State::Running,
            created_at: experiment.created_at.to_string(),
            imported_from: (),
        }
    }
}

pub(crate) struct ReadExperiment;

impl ReadExperiment {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readExperiment",
        method: Method::GET,
        path: "/v0/experiments/{E}",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "experiment",
            summary: "Read the experiment",
            clauses: &["X-1", "J-4"],
            answers: &[Answer::json::<ExperimentBody<'static>>(
                200,
                "The experiment.",
            )],
            ..Docs::EMPTY
        },
    };

    #[expect(clippy::unused_async, reason = "all handlers have one signature")]
    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let body = ExperimentBody::from(&request.experiment);
        Ok(response::json(StatusCode::OK, &body))
    }
}
