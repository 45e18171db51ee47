//! `POST /v1/experiments/{E}/collections/{C}/seal`.

use artifact_store::CollectionId;
use axum::response::Response;
use http::Method;

use super::collections;
use super::manifest::{self, ManifestBody};
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs};
use crate::outlive::Outlive;
use crate::problem::Problem;
use crate::request::AuthorizedRequest;

pub(crate) struct SealCollection;

impl SealCollection {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "sealCollection",
        method: Method::POST,
        path: "/v1/experiments/{E}/collections/{C}/seal",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Seal a collection",
            clauses: &["M-1", "M-2", "K-10", "K-11"],
            answers: &[Answer::json::<ManifestBody<'static>>(
                200,
                "The manifest. The collection does not change any more.",
            )],
            problems: &[409, 429, 507],
            ..Docs::EMPTY
        },
    };

    /// Once the seal has begun, it is made even if this is dropped.
    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let AuthorizedRequest {
            service,
            principal,
            experiment,
            ..
        } = request;
        let (store, experiment) = (collections(service)?.clone(), experiment.id);
        let (sealer, home) = (principal.clone(), experiment.clone());
        Outlive::new(async move { store.seal(&sealer, &home, id).await }).await?;
        manifest::respond(service, &principal, &experiment, id).await
    }
}
