//! `GET`, `HEAD` and `DELETE /v1/experiments/{E}/collections/{C}/files/{F}`.

use artifact_store::CollectionId;
use axum::response::Response;
use http::Method;

use super::{NameInPath, collections};
use crate::endpoint::{Access, Endpoint};
use crate::fetch;
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, parameters};
use crate::outlive::Outlive;
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

pub(crate) struct FetchFile;

impl FetchFile {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "fetchFile",
        method: Method::GET,
        path: "/v1/experiments/{E}/collections/{C}/files/{F}",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Fetch the bytes of a file",
            clauses: &[
                "M-1", "M-2", "K-4", "K-7", "F-4", "F-5", "F-6", "F-7", "F-8", "F-9", "F-10",
                "F-11", "F-12", "F-13", "F-14", "F-15", "F-16",
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

    /// The name leads to an artifact, which is fetched by the code that fetches every artifact.
    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
        name: NameInPath,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let path = name.get()?;
        let collections = collections(request.service)?;
        let experiment = &request.experiment.id;
        let located = collections.locate(&request.principal, experiment, id, &path);
        let artifact = located.await?;
        fetch::respond(request, artifact).await
    }
}

pub(crate) struct DeleteFile;

impl DeleteFile {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "deleteFile",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/collections/{C}/files/{F}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "collections",
            summary: "Delete a file",
            clauses: &["M-1", "M-2", "M-5", "M-6", "K-4", "K-8"],
            answers: &[Answer::empty(
                204,
                "The file does not exist any more. Its name is never given again.",
            )],
            problems: &[409, 507],
            ..Docs::EMPTY
        },
    };

    /// Once the removal has begun, it is finished even if this is dropped.
    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: CollectionId,
        name: NameInPath,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let path = name.get()?;
        let collections = collections(request.service)?.clone();
        let (principal, experiment) = (request.principal, request.experiment.id);
        let head = request.parts;
        let removal = async move {
            collections
                .remove_file(&principal, &experiment, id, &path)
                .await
        };
        let removed = Outlive::new(removal).await?;
        head.is_about_artifact(removed);
        Ok(response::empty())
    }
}
