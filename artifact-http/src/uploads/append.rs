//! `PATCH /v1/experiments/{E}/uploads/{U}`: appends bytes to an upload.

use artifact_store::UploadId;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};

use super::protocol::Protocol;
use super::receive::{Incoming, Target};
use super::verify::Verification;
use super::{draft, fields, reply, uploads};
use crate::endpoint::{Access, Endpoint};
use crate::management::{ArtifactBody, check_no_parameters};
use crate::openapi::{Answer, Docs, RequestContent, parameters};
use crate::problem::Problem;
use crate::receipts::WantedReceipt;
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
                "M-1", "M-2", "U-1", "U-3", "U-4", "U-5", "U-6", "U-7", "U-9", "U-10", "U-12",
                "U-13", "D-13", "M-16", "R-2",
            ],
            parameters: &[
                &parameters::TUS_RESUMABLE,
                &parameters::UPLOAD_OFFSET,
                &parameters::UPLOAD_LENGTH,
                &parameters::UPLOAD_CHECKSUM,
                &parameters::CONTENT_DIGEST,
                &parameters::UPLOAD_COMPLETE,
                &parameters::INTEROP_VERSION,
                &parameters::RECEIPT,
            ],
            content: Some(RequestContent::of_append()),
            answers: &[
                Answer::empty(
                    204,
                    "The bytes are stored durably. If they were the last ones by tus, so is the artifact.",
                )
                .with_headers(reply::FIELDS),
                Answer::json::<ArtifactBody<'static>>(
                    201,
                    "The upload is complete by the draft: the artifact is stored durably.",
                )
                .with_headers(reply::FIELDS),
            ],
            problems: &[409, 412, 413, 415, 429, 460, 507],
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: UploadId,
    ) -> Result<Response, Problem> {
        let protocol = Protocol::of(&request.parts.headers);
        let max_bytes = request.service.store.config().max_artifact_bytes();
        let appended = append(request, id, protocol).await;
        appended.map_err(|problem| protocol.dress(problem, max_bytes))
    }
}

async fn append(
    request: AuthorizedRequest<'_>,
    id: UploadId,
    protocol: Protocol,
) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    let AuthorizedRequest {
        service,
        principal,
        experiment,
        parts,
        body,
    } = request;
    let headers = &parts.headers;
    protocol.check(headers)?;
    let wanted = WantedReceipt::of(service, headers)?;
    let piece = match protocol {
        Protocol::Tus => Piece::by_tus(headers, &body)?,
        Protocol::Draft => Piece::by_draft(headers, &body)?,
    };
    let verification = Verification::of(headers, protocol)?;
    let permit = service.uploads.acquire(&principal)?;
    let target = Target {
        uploads: uploads(service)?.clone(),
        principal,
        experiment: experiment.id,
        id,
        protocol,
    };
    let length = piece.declare(&target).await?;
    let append = target.begin(piece.offset).await?;
    target.check_content_length(piece.content, piece.offset, length)?;
    let incoming = Incoming {
        body,
        verification,
        is_last: piece.is_last,
        permit,
    };
    let progress = target.receive(append, incoming).await?;
    progress.name_artifact(parts);
    let mut response = match (protocol, &progress.row) {
        (Protocol::Draft, Some(row)) => reply::completed(service, parts, &progress, row),
        _ => reply::changed(service, parts, StatusCode::NO_CONTENT, &progress),
    };
    progress.add_receipt(wanted, service, parts, &mut response);
    Ok(response)
}

/// What the header of an append says about its content.
struct Piece {
    offset: u64,
    /// The number of bytes, if it is known before they arrive.
    content: Option<u64>,
    /// The length of the file, if the request says or implies it.
    length: Option<u64>,
    is_last: bool,
}

impl Piece {
    fn by_tus(headers: &HeaderMap, body: &Body) -> Result<Self, Problem> {
        fields::check_type(headers)?;
        Ok(Self {
            offset: fields::number(headers, &fields::UPLOAD_OFFSET)?.ok_or_else(no_offset)?,
            content: draft::content_length(headers, body),
            length: fields::number(headers, &fields::UPLOAD_LENGTH)?,
            is_last: false,
        })
    }

    fn by_draft(headers: &HeaderMap, body: &Body) -> Result<Self, Problem> {
        draft::check_type(headers)?;
        let is_last = draft::complete(headers)?.ok_or_else(|| {
            Problem::bad_request(
                "send Upload-Complete: ?1 if the content is the end of the file, otherwise ?0",
            )
        })?;
        let offset = draft::integer(headers, &fields::UPLOAD_OFFSET)?.ok_or_else(no_offset)?;
        let content = draft::content_length(headers, body);
        Ok(Self {
            offset,
            content,
            length: draft::length(headers, offset, content, is_last)?,
            is_last,
        })
    }

    /// Declares the length that the request says, and returns the declared one.
    async fn declare(&self, target: &Target) -> Result<Option<u64>, Problem> {
        if target.protocol == Protocol::Draft {
            let session = target.find().await?;
            // Not before the offset is right: the length may follow from it.
            if session.offset != self.offset {
                drop(target.begin(self.offset).await?);
            }
            if session.is_whole() && self.content.is_some_and(|content| content > 0) {
                return Err(draft::completed());
            }
            target.check_content_length(self.content, self.offset, session.length)?;
        }
        let session = match self.length {
            Some(length) => target.declare_length(length).await?,
            None => target.find().await?,
        };
        Ok(session.length)
    }
}

fn no_offset() -> Problem {
    Problem::bad_request("send Upload-Offset, which HEAD returns")
}
