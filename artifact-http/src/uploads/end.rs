//! `DELETE /v1/experiments/{E}/uploads/{U}`: ends an upload.

use artifact_store::UploadId;
use axum::response::Response;
use http::Method;

use super::fields::{TUS_RESUMABLE, VERSION};
use super::protocol::Protocol;
use super::receive::Target;
use super::uploads;
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
            clauses: &["M-1", "M-2", "U-1", "U-3", "U-8", "U-10"],
            parameters: &[&parameters::TUS_RESUMABLE, &parameters::INTEROP_VERSION],
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
        let protocol = Protocol::of(&request.parts.headers);
        let max_bytes = request.service.store.config().max_artifact_bytes();
        let ended = end(request, id, protocol).await;
        ended.map_err(|problem| protocol.dress(problem, max_bytes))
    }
}

async fn end(
    request: AuthorizedRequest<'_>,
    id: UploadId,
    protocol: Protocol,
) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    protocol.check_if_any(&request.parts.headers)?;
    let target = Target {
        uploads: uploads(request.service)?.clone(),
        principal: request.principal,
        experiment: request.experiment.id,
        id,
        protocol,
    };
    target.end().await?;
    let mut response = response::empty();
    response.headers_mut().insert(TUS_RESUMABLE, VERSION);
    Ok(response)
}
