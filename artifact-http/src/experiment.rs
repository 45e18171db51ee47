//! `GET /v0/experiments/{E}`.

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
struct ExperimentBody<'e> {
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
        let body = ExperimentBody {
            experiment_id: request.experiment.id.as_str(),
            state: State::Running,
            created_at: request.experiment.created_at.to_string(),
            imported_from: (),
        };
        Ok(response::json(StatusCode::OK, &body))
    }
}
