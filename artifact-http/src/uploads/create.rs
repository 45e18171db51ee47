//! `POST /v1/experiments/{E}/uploads`: begins an upload.

use artifact_audit::AuditField;
use artifact_http_files::{DigestCheck, REPR_DIGEST};
use artifact_store::{NewUpload, Sha256Digest};
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};

use super::receive::{Progress, Target, check_content_length, problem};
use super::{fields, reply, uploads};
use crate::deposit::expires_in;
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, RequestContent, parameters};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;

pub(crate) struct CreateUpload;

impl CreateUpload {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "createUpload",
        method: Method::POST,
        path: "/v1/experiments/{E}/uploads",
        access: Access::WorkerOrAdmin,
        needs_identities: false,
        docs: Docs {
            tag: "uploads",
            summary: "Begin a resumable upload",
            clauses: &[
                "M-1", "M-2", "U-1", "U-2", "U-3", "U-4", "U-7", "D-13", "D-14",
            ],
            parameters: &[
                &parameters::TUS_RESUMABLE,
                &parameters::UPLOAD_LENGTH,
                &parameters::UPLOAD_DEFER_LENGTH,
                &parameters::UPLOAD_METADATA,
                &parameters::REPR_DIGEST,
                &parameters::EXPIRES_IN,
            ],
            content: Some(RequestContent::bytes()),
            answers: &[Answer::empty(
                201,
                "The upload has begun; a file without a byte is complete.",
            )
            .with_headers(&[
                "Location",
                "Upload-Offset",
                "Upload-Expires",
                "Tus-Resumable",
            ])],
            problems: &[412, 413, 415, 429, 507],
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        create(request).await.map_err(reply::with_version)
    }
}

async fn create(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
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
    let length = fields::declared_length(headers)?;
    let metadata = fields::metadata(headers)?;
    let new = NewUpload::new(experiment.id.clone())
        .with_length(length)
        .with_content_type(metadata.content_type)
        .with_file_name(metadata.file_name)
        .with_sha256(expected_sha256(headers)?)
        .with_expires_in(expires_in(headers)?);
    let has_content = headers.contains_key(CONTENT_TYPE);
    if has_content {
        fields::check_type(headers)?;
        let max_bytes = service.store.config().max_artifact_bytes();
        check_content_length(headers, 0, length, max_bytes)?;
    }
    let permit = service.uploads.acquire(&principal)?;
    let uploads = uploads(service)?;
    let session = uploads.create(&principal, new).await.map_err(problem)?;
    parts.is_about(AuditField::Upload, &session.id);
    let target = Target {
        uploads: uploads.clone(),
        principal,
        experiment: experiment.id,
        id: session.id,
    };
    let location = reply::location(parts, &session);
    let progress = if has_content {
        let append = target.begin(0).await?;
        target.receive(append, body, permit).await?
    } else {
        target.complete(session).await?
    };
    progress.name_artifact(parts);
    Ok(created(parts, location, &progress))
}

fn created(
    parts: &http::request::Parts,
    location: http::HeaderValue,
    progress: &Progress,
) -> Response {
    let mut response = reply::changed(parts, StatusCode::CREATED, progress);
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Parses the digest that the whole file must have.
fn expected_sha256(headers: &HeaderMap) -> Result<Option<Sha256Digest>, Problem> {
    let mut fields = HeaderMap::new();
    for value in headers.get_all(REPR_DIGEST) {
        fields.append(REPR_DIGEST, value.clone());
    }
    let check = DigestCheck::of(&fields);
    let check = check.map_err(|error| Problem::bad_request(error.to_string()))?;
    let Some(mut check) = check else {
        return Ok(None);
    };
    match check.take_sha256() {
        Some(sha256) if check.claims().is_empty() => Ok(Some(sha256)),
        _ => Err(Problem::bad_request(
            "the Repr-Digest of an upload has one sha-256 and no other digest",
        )),
    }
}
