//! `GET` and `HEAD /v1/experiments/{E}/uploads/{U}`: how much of an upload has arrived.

use artifact_store::UploadId;
use axum::response::Response;
use http::{Method, StatusCode};

use super::receive::Target;
use super::reply::UploadBody;
use super::{fields, reply, uploads};
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

pub(crate) struct ReadUpload;

impl ReadUpload {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readUpload",
        method: Method::GET,
        path: "/v1/experiments/{E}/uploads/{U}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "uploads",
            summary: "Ask how much of an upload has arrived",
            clauses: &["M-1", "M-2", "U-1", "U-3", "U-6", "U-7", "M-16"],
            parameters: &[&parameters::TUS_RESUMABLE],
            answers: &[Answer::json::<UploadBody<'static>>(
                200,
                "The upload, and its artifact if it is complete.",
            )
            .with_headers(&["Upload-Offset", "Upload-Expires", "Tus-Resumable"])],
            problems: &[412, 429, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: UploadId,
    ) -> Result<Response, Problem> {
        read(request, id).await.map_err(reply::with_version)
    }
}

async fn read(request: AuthorizedRequest<'_>, id: UploadId) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    let AuthorizedRequest {
        service,
        principal,
        experiment,
        parts,
        body: _,
    } = request;
    fields::check_version_if_any(&parts.headers)?;
    let target = Target {
        uploads: uploads(service)?.clone(),
        principal,
        experiment: experiment.id,
        id,
    };
    let session = target.find().await?;
    // The server may have been stopped between the last byte and the artifact, or a quota may have refused the artifact. While one
    // does, this fails: to a tus client, an upload that has all its bytes is an artifact.
    let progress = target.complete(session).await?;
    let (session, row) = (&progress.session, progress.row.as_deref());
    let body = UploadBody::new(session, row, &service.config.uri_prefix);
    let mut response = response::json(StatusCode::OK, &body);
    reply::describe(response.headers_mut(), parts, &progress);
    Ok(response)
}
