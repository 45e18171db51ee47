//! `POST /v1/experiments/{E}/uploads`: begins an upload.

use artifact_audit::AuditField;
use artifact_http_files::{DigestCheck, REPR_DIGEST};
use artifact_store::{NewUpload, Sha256Digest, UploadId};
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::protocol::Protocol;
use super::receive::{Incoming, Progress, Target, problem};
use super::verify::Verification;
use super::{create_by_draft, draft, fields, reply, uploads};
use crate::deposit::expires_in;
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, RequestContent, parameters};
use crate::problem::Problem;
use crate::receipts::WantedReceipt;
use crate::request::AuthorizedRequest;
use crate::router::Service;

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
                "M-1", "M-2", "U-1", "U-2", "U-3", "U-4", "U-7", "U-9", "U-10", "U-11", "U-13",
                "D-13", "D-14", "M-16", "R-2",
            ],
            parameters: &[
                &parameters::TUS_RESUMABLE,
                &parameters::UPLOAD_LENGTH,
                &parameters::UPLOAD_DEFER_LENGTH,
                &parameters::UPLOAD_METADATA,
                &parameters::REPR_DIGEST,
                &parameters::EXPIRES_IN,
                &parameters::UPLOAD_CHECKSUM,
                &parameters::CONTENT_DIGEST,
                &parameters::UPLOAD_COMPLETE,
                &parameters::INTEROP_VERSION,
                &parameters::CONTENT_DISPOSITION,
                &parameters::RECEIPT,
            ],
            content: Some(RequestContent::bytes()),
            answers: &[Answer::empty(
                201,
                "The upload has begun; a file without a byte is complete. With Upload-Complete: ?1 there is content, which describes the artifact.",
            )
            .with_headers(&["Location", "Upload-Offset", "Upload-Complete"])],
            problems: &[412, 413, 415, 422, 429, 460, 507],
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let protocol = Protocol::of(&request.parts.headers);
        if protocol == Protocol::Draft {
            return create_by_draft(request).await;
        }
        let max_bytes = request.service.store.config().max_artifact_bytes();
        let created = create(request).await;
        created.map_err(|problem| protocol.dress(problem, max_bytes))
    }
}

async fn create(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    let headers = &request.parts.headers;
    Protocol::Tus.check(headers)?;
    let length = fields::declared_length(headers)?;
    let metadata = fields::metadata(headers)?;
    let has_content = headers.contains_key(CONTENT_TYPE);
    if has_content {
        fields::check_type(headers)?;
    }
    let new = NewUpload::new(request.experiment.id.clone())
        .with_length(length)
        .with_content_type(metadata.content_type)
        .with_file_name(metadata.file_name)
        .with_sha256(expected_sha256(headers)?)
        .with_expires_in(expires_in(headers)?);
    begin(request, Protocol::Tus, new, length, has_content).await
}

/// Creates an upload, and appends the content of the request to it if there is any.
pub(super) async fn begin(
    request: AuthorizedRequest<'_>,
    protocol: Protocol,
    new: NewUpload,
    length: Option<u64>,
    has_content: bool,
) -> Result<Response, Problem> {
    let AuthorizedRequest {
        service,
        principal,
        experiment,
        parts,
        body,
    } = request;
    let uploads = uploads(service)?;
    let wanted = WantedReceipt::of(service, &parts.headers)?;
    let verification = Verification::of(&parts.headers, protocol)?;
    let content = draft::content_length(&parts.headers, &body);
    let mut target = Target {
        uploads: uploads.clone(),
        principal,
        experiment: experiment.id,
        // That of no upload yet.
        id: UploadId::mint(),
        protocol,
    };
    if has_content {
        target.check_content_length(content, 0, length)?;
    }
    let permit = service.uploads.acquire(&target.principal)?;
    let created = uploads.create(&target.principal, new).await;
    let session = created.map_err(|error| problem(error, protocol, None))?;
    parts.is_about(AuditField::Upload, &session.id);
    target.id = session.id;
    let location = reply::location(parts, &session);
    let progress = if has_content {
        let append = target.begin(0).await?;
        let incoming = Incoming {
            body,
            verification,
            is_last: false,
            permit,
        };
        target.receive_first(append, incoming).await?
    } else {
        target.complete(session).await?
    };
    progress.name_artifact(parts);
    let mut response = created_response(service, parts, location, &progress);
    progress.add_receipt(wanted, service, parts, &mut response);
    Ok(response)
}

fn created_response(
    service: &Service,
    parts: &Parts,
    location: HeaderValue,
    progress: &Progress,
) -> Response {
    let mut response = reply::changed(service, parts, StatusCode::CREATED, progress);
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Parses the digest that the whole file must have.
pub(super) fn expected_sha256(headers: &HeaderMap) -> Result<Option<Sha256Digest>, Problem> {
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
