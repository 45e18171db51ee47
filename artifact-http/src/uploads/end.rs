//! `DELETE /v1/experiments/{E}/uploads/{U}`: ends an upload.

use artifact_store::UploadId;
use axum::response::Response;
use http::Method;

use super::fields::{self, TUS_RESUMABLE, VERSION};
use super::receive::problem;
use super::{reply, uploads};
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

pub(crate) struct EndUpload;

impl EndUpload {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "endUpload",
        method: Method::DELETE,
        path: "/v1/experiments/{E}/uploads/{U}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "uploads",
            summary: "End an upload",
            clauses: &["M-1", "M-2", "U-1", "U-3", "U-8"],
            parameters: &[&parameters::TUS_RESUMABLE],
            answers: &[Answer::empty(
                204,
                "The upload is gone. If it was complete, its artifact stays.",
            )
            .with_headers(&["Tus-Resumable"])],
            problems: &[412, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: UploadId,
    ) -> Result<Response, Problem> {
        end(request, id).await.map_err(reply::with_version)
    }
}

async fn end(request: AuthorizedRequest<'_>, id: UploadId) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    fields::check_version_if_any(&request.parts.headers)?;
    let uploads = uploads(request.service)?;
    let ended = uploads.end(&request.principal, &request.experiment.id, id);
    ended.await.map_err(problem)?;
    let mut response = response::empty();
    response.headers_mut().insert(TUS_RESUMABLE, VERSION);
    Ok(response)
}
