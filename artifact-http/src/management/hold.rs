//! `PUT` and `DELETE /v1/experiments/{E}/artifacts/{A}/hold`.

use artifact_store::ArtifactId;
use axum::response::Response;
use http::Method;

use super::{check_no_parameters, managed};
use crate::endpoint::{Access, Endpoint};
use crate::openapi::{Answer, Docs};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

pub(crate) struct HoldArtifact;

impl HoldArtifact {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "holdArtifact",
        method: Method::PUT,
        path: "/v1/experiments/{E}/artifacts/{A}/hold",
        access: Access::Admin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Place a hold on an artifact",
            clauses: &["M-1", "M-2", "M-6"],
            answers: &[Answer::empty(
                204,
                "A hold is on the artifact; one that was there is unchanged.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let managed = managed(request.service)?;
        managed
            .place_hold(&request.principal, &request.experiment.id, id)
            .await?;
        Ok(response::empty())
    }
}

pub(crate) struct ReleaseArtifact;

impl ReleaseArtifact {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "releaseArtifact",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/artifacts/{A}/hold",
        access: Access::Admin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Release the hold on an artifact",
            clauses: &["M-1", "M-2", "M-6"],
            answers: &[Answer::empty(204, "No hold is on the artifact.")],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let managed = managed(request.service)?;
        managed
            .release_hold(&request.principal, &request.experiment.id, id)
            .await?;
        Ok(response::empty())
    }
}
