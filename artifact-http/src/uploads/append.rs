//! `PATCH /v1/experiments/{E}/uploads/{U}`: appends bytes to an upload.

use artifact_store::UploadId;
use axum::response::Response;
use http::{Method, StatusCode};

use super::receive::{Target, check_content_length};
use super::{fields, reply, uploads};
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, RequestContent, parameters};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;

pub(crate) struct AppendUpload;

impl AppendUpload {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "appendUpload",
        method: Method::PATCH,
        path: "/v1/experiments/{E}/uploads/{U}",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "uploads",
            summary: "Append bytes to an upload",
            clauses: &[
                "M-1", "M-2", "U-1", "U-3", "U-4", "U-5", "U-6", "U-7", "D-13",
            ],
            parameters: &[
                &parameters::TUS_RESUMABLE,
                &parameters::UPLOAD_OFFSET,
                &parameters::UPLOAD_LENGTH,
            ],
            content: Some(RequestContent::of_append()),
            answers: &[Answer::empty(
                204,
                "The bytes are stored durably. If they were the last ones, so is the artifact.",
            )
            .with_headers(&["Upload-Offset", "Upload-Expires", "Tus-Resumable"])],
            problems: &[409, 412, 413, 415, 429, 507],
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: UploadId,
    ) -> Result<Response, Problem> {
        append(request, id).await.map_err(reply::with_version)
    }
}

async fn append(request: AuthorizedRequest<'_>, id: UploadId) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    let AuthorizedRequest {
        service,
        principal,
        experiment,
        parts,
        body,
    } = request;
    let headers = &parts.headers;
    fields::check_version(headers)?;
    fields::check_type(headers)?;
    let offset = fields::number(headers, &fields::UPLOAD_OFFSET)?
        .ok_or_else(|| Problem::bad_request("send Upload-Offset, which HEAD returns"))?;
    let length = fields::number(headers, &fields::UPLOAD_LENGTH)?;
    let permit = service.uploads.acquire(&principal)?;
    let target = Target {
        uploads: uploads(service)?.clone(),
        principal,
        experiment: experiment.id,
        id,
    };
    let session = match length {
        Some(length) => target.declare_length(length).await?,
        None => target.find().await?,
    };
    let max_bytes = service.store.config().max_artifact_bytes();
    let append = target.begin(offset).await?;
    check_content_length(headers, offset, session.length, max_bytes)?;
    let progress = target.receive(append, body, permit).await?;
    progress.name_artifact(parts);
    Ok(reply::changed(parts, StatusCode::NO_CONTENT, &progress))
}
