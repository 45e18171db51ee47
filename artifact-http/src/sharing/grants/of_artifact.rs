//! `GET` and `POST /v1/experiments/{E}/artifacts/{A}/grants`, and `DELETE .../grants/{N}`.

use artifact_store::{AccessGrant, ArtifactId, GrantId, GrantSubject};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::{GrantTerms, NewGrant, create, created, list, revoke};
use crate::endpoint::{Access, Endpoint};
use crate::openapi::{Answer, Docs, RequestContent, parameters, schemas};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;
use crate::sharing::TAG;

/// A grant of an artifact to a worker or a group.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
struct GrantBody<'g> {
    /// The name of the grant in the path that revokes it.
    #[schemars(extend("examples" = [schemas::GRANT]))]
    id: &'g str,
    #[schemars(with = "schemas::ExperimentField")]
    experiment: &'g str,
    /// The id of the artifact.
    #[schemars(extend("examples" = [schemas::ARTIFACT]))]
    artifact: String,
    #[serde(flatten)]
    terms: GrantTerms<'g>,
}

impl<'g> GrantBody<'g> {
    fn new(grant: &'g AccessGrant, artifact: ArtifactId) -> Self {
        Self {
            id: grant.id.as_str(),
            experiment: grant.experiment.as_str(),
            artifact: artifact.to_string(),
            terms: GrantTerms::new(grant),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grants")]
struct GrantsBody<'g> {
    grants: Vec<GrantBody<'g>>,
    /// The value of `after` for the next page, or `null` if this page is the last one.
    #[schemars(extend("examples" = [schemas::GRANT]))]
    next: Option<String>,
}

pub(crate) struct CreateGrant;

impl CreateGrant {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "createGrant",
        method: Method::POST,
        path: "/v1/experiments/{E}/artifacts/{A}/grants",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Let a worker or a group read an artifact",
            clauses: &["M-1", "M-2", "S-1", "S-2", "J-1"],
            content: Some(RequestContent::json::<NewGrant>()),
            answers: &[
                Answer::json::<GrantBody<'static>>(201, "The grant, which counts now.")
                    .with_headers(&["Location"]),
            ],
            problems: &[409, 413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
        let (grant, location) = create(request, GrantSubject::Artifact(id)).await?;
        Ok(created(&GrantBody::new(&grant, id), location))
    }
}

pub(crate) struct ListGrants;

impl ListGrants {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listGrants",
        method: Method::GET,
        path: "/v1/experiments/{E}/artifacts/{A}/grants",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "List the grants of an artifact",
            clauses: &["M-1", "M-2", "S-1", "S-4", "L-2"],
            parameters: &[&parameters::AFTER_ID, &parameters::SHARE_LIMIT],
            answers: &[Answer::json::<GrantsBody<'static>>(
                200,
                "A page of the grants that count now.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
    ) -> Result<Response, Problem> {
        list(request, GrantSubject::Artifact(id), |grants, next| {
            let body = grants.iter().map(|grant| GrantBody::new(grant, id));
            response::json(
                StatusCode::OK,
                &GrantsBody {
                    grants: body.collect(),
                    next,
                },
            )
        })
        .await
    }
}

pub(crate) struct RevokeGrant;

impl RevokeGrant {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "revokeGrant",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/artifacts/{A}/grants/{N}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Revoke a grant",
            clauses: &["M-1", "M-2", "S-1", "S-3"],
            answers: &[Answer::empty(
                204,
                "The grant counts for no request any more.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: ArtifactId,
        grant: GrantId,
    ) -> Result<Response, Problem> {
        revoke(request, GrantSubject::Artifact(id), grant).await
    }
}
