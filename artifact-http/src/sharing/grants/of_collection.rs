//! `GET` and `POST /v1/experiments/{E}/collections/{C}/grants`, and `DELETE .../grants/{N}`.

use artifact_store::{AccessGrant, CollectionId, GrantId, GrantSubject};
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

/// A grant of a collection to a worker or a group.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CollectionGrant")]
struct CollectionGrantBody<'g> {
    /// The name of the grant in the path that revokes it.
    #[schemars(extend("examples" = [schemas::GRANT]))]
    id: &'g str,
    #[schemars(with = "schemas::ExperimentField")]
    experiment: &'g str,
    /// The id of the collection.
    #[schemars(extend("examples" = [schemas::COLLECTION]))]
    collection: String,
    #[serde(flatten)]
    terms: GrantTerms<'g>,
}

impl<'g> CollectionGrantBody<'g> {
    fn new(grant: &'g AccessGrant, collection: CollectionId) -> Self {
        Self {
            id: grant.id.as_str(),
            experiment: grant.experiment.as_str(),
            collection: collection.to_string(),
            terms: GrantTerms::new(grant),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CollectionGrants")]
struct CollectionGrantsBody<'g> {
    grants: Vec<CollectionGrantBody<'g>>,
    /// The value of `after` for the next page, or `null` if this page is the last one.
    #[schemars(extend("examples" = [schemas::GRANT]))]
    next: Option<String>,
}

pub(crate) struct CreateCollectionGrant;

impl CreateCollectionGrant {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "createCollectionGrant",
        method: Method::POST,
        path: "/v1/experiments/{E}/collections/{C}/grants",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Let a worker or a group read a collection with its files",
            clauses: &["M-1", "M-2", "S-1", "S-2", "S-8", "J-1"],
            content: Some(RequestContent::json::<NewGrant>()),
            answers: &[Answer::json::<CollectionGrantBody<'static>>(
                201,
                "The grant, which counts now.",
            )
            .with_headers(&["Location"])],
            problems: &[409, 413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
    ) -> Result<Response, Problem> {
        let (grant, location) = create(request, GrantSubject::Collection(id)).await?;
        Ok(created(&CollectionGrantBody::new(&grant, id), location))
    }
}

pub(crate) struct ListCollectionGrants;

impl ListCollectionGrants {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listCollectionGrants",
        method: Method::GET,
        path: "/v1/experiments/{E}/collections/{C}/grants",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "List the grants of a collection",
            clauses: &["M-1", "M-2", "S-1", "S-4", "S-8", "L-2"],
            parameters: &[&parameters::AFTER_ID, &parameters::SHARE_LIMIT],
            answers: &[Answer::json::<CollectionGrantsBody<'static>>(
                200,
                "A page of the grants that count now.",
            )],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
    ) -> Result<Response, Problem> {
        list(request, GrantSubject::Collection(id), |grants, next| {
            let body = grants
                .iter()
                .map(|grant| CollectionGrantBody::new(grant, id));
            response::json(
                StatusCode::OK,
                &CollectionGrantsBody {
                    grants: body.collect(),
                    next,
                },
            )
        })
        .await
    }
}

pub(crate) struct RevokeCollectionGrant;

impl RevokeCollectionGrant {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "revokeCollectionGrant",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/collections/{C}/grants/{N}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Revoke a grant of a collection",
            clauses: &["M-1", "M-2", "S-1", "S-3", "S-8"],
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
        id: CollectionId,
        grant: GrantId,
    ) -> Result<Response, Problem> {
        revoke(request, GrantSubject::Collection(id), grant).await
    }
}
