//! `GET` and `DELETE /v1/experiments/{E}/collections/{C}`.

use artifact_store::CollectionId;
use axum::response::Response;
use http::{Method, StatusCode};

use super::bodies::CollectionBody;
use super::collections;
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs};
use crate::outlive::Outlive;
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

pub(crate) struct ReadCollection;

impl ReadCollection {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readCollection",
        method: Method::GET,
        path: "/v1/experiments/{E}/collections/{C}",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Read what is recorded about a collection",
            clauses: &["M-1", "M-2", "K-1", "K-2"],
            answers: &[Answer::json::<CollectionBody<'static>>(
                200,
                "The collection.",
            )],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let (principal, experiment) = (request.principal, request.experiment.id);
        let collections = collections(request.service)?;
        let found = collections.get(&principal, &experiment, id).await?;
        Ok(response::json(StatusCode::OK, &CollectionBody::new(&found)))
    }
}

pub(crate) struct DeleteCollection;

impl DeleteCollection {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "deleteCollection",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/collections/{C}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Delete a collection with its files",
            clauses: &["M-1", "M-2", "M-6", "K-12"],
            answers: &[Answer::empty(
                204,
                "The collection and its files do not exist any more.",
            )],
            problems: &[409, 507],
            ..Docs::EMPTY
        },
    };

    /// Once the deletion has begun, it goes on even if this is dropped.
    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let collections = collections(request.service)?.clone();
        let (principal, experiment) = (request.principal, request.experiment.id);
        Outlive::new(async move { collections.delete(&principal, &experiment, id).await }).await?;
        Ok(response::empty())
    }
}
