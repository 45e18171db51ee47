//! `GET` and `HEAD /v1/experiments/{E}/uploads/{U}`: how much of an upload has arrived.

use artifact_store::UploadId;
use axum::response::Response;
use http::{Method, StatusCode};

use super::protocol::Protocol;
use super::receive::Target;
use super::reply::UploadBody;
use super::{reply, uploads};
use crate::endpoint::{Access, Endpoint};
use crate::management::check_no_parameters;
use crate::openapi::{Answer, Docs, parameters};
use crate::problem::Problem;
use crate::receipts::WantedReceipt;
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
            clauses: &[
                "M-1", "M-2", "U-1", "U-3", "U-6", "U-7", "U-10", "U-12", "M-16", "R-2",
            ],
            parameters: &[
                &parameters::TUS_RESUMABLE,
                &parameters::INTEROP_VERSION,
                &parameters::RECEIPT,
            ],
            answers: &[
                Answer::json::<UploadBody<'static>>(
                    200,
                    "The upload, and its artifact if it is complete.",
                )
                .with_headers(reply::FIELDS),
                Answer::empty(204, "By the draft, to HEAD: how much has arrived.")
                    .with_headers(reply::FIELDS),
            ],
            problems: &[412, 429, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        id: UploadId,
    ) -> Result<Response, Problem> {
        let protocol = Protocol::of(&request.parts.headers);
        let max_bytes = request.service.store.config().max_artifact_bytes();
        let read = read(request, id, protocol).await;
        read.map_err(|problem| protocol.dress(problem, max_bytes))
    }
}

async fn read(
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
        body: _,
    } = request;
    protocol.check_if_any(&parts.headers)?;
    let wanted = WantedReceipt::of(service, &parts.headers)?;
    let target = Target {
        uploads: uploads(service)?.clone(),
        principal,
        experiment: experiment.id,
        id,
        protocol,
    };
    let session = target.find().await?;
    // The server may have been stopped between the last byte and the artifact, or a quota may have refused the artifact. While one
    // does, this fails: to a tus client, an upload that has all its bytes is an artifact.
    let progress = target.complete(session).await?;
    progress.name_artifact(parts);
    let (session, row) = (&progress.session, progress.row.as_deref());
    if protocol == Protocol::Draft && parts.method == Method::HEAD {
        let status = StatusCode::NO_CONTENT;
        let mut response = reply::changed(service, parts, status, &progress);
        progress.add_receipt(wanted, service, parts, &mut response);
        return Ok(response);
    }
    let body = UploadBody::new(session, row, &service.config.uri_prefix);
    let mut response = response::json(StatusCode::OK, &body);
    reply::describe(response.headers_mut(), service, parts, &progress);
    progress.add_receipt(wanted, service, parts, &mut response);
    Ok(response)
}
