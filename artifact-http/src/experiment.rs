//! `GET /v0/experiments/{E}`: what an experiment is.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use crate::gate::Admitted;
use crate::json;
use crate::problem::Problem;

#[derive(Serialize)]
struct Answer<'e> {
    experiment_id: &'e str,
    state: &'static str,
    /// RFC 3339, in UTC.
    created_at: String,
    imported_from: Option<&'e str>,
}

#[expect(clippy::unnecessary_wraps, reason = "handlers have one shape")]
pub(crate) fn read(admitted: &Admitted) -> Result<Response, Problem> {
    let answer = Answer {
        experiment_id: admitted.experiment.id.as_str(),
        state: "running",
        created_at: admitted.experiment.created_at.to_string(),
        imported_from: None,
    };
    Ok(json::respond(StatusCode::OK, &answer))
}
