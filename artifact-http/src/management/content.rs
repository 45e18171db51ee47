//! `GET` and `HEAD /v1/experiments/{E}/artifacts/{A}/content`: the bytes of an artifact.

use artifact_store::ArtifactId;
use axum::response::Response;
use http::Method;

use super::check_no_parameters;
use crate::endpoint::{Access, Endpoint};
use crate::fetch;
use crate::openapi::{Docs, parameters};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;

pub(crate) struct FetchContent;

impl FetchContent {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "fetchContent",
        method: Method::GET,
        path: "/v1/experiments/{E}/artifacts/{A}/content",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Fetch the bytes of an artifact",
            clauses: &[
                "M-1", "M-2", "M-11", "F-4", "F-5", "F-6", "F-7", "F-8", "F-9", "F-10", "F-11",
                "F-12", "F-13", "F-14", "F-15", "F-16",
            ],
            parameters: &[
                &parameters::RANGE,
                &parameters::IF_MATCH,
                &parameters::IF_NONE_MATCH,
                &parameters::IF_RANGE,
            ],
            answers: fetch::ANSWERS,
            problems: &[412, 416, 429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        fetch::respond(request, id).await
    }
}
