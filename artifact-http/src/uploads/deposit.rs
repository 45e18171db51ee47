//! A request that begins an upload by the draft: `POST` to the artifacts or to the uploads of an experiment, with
//! `Upload-Complete`.
//!
//! With the whole file, it is a deposit: the path of an upload could only be sent in a `104` before the response, which hyper
//! 1 does not let a service send. With the first bytes, it creates an upload.

use std::convert::Infallible;

use artifact_http_files::{ReceivedFile, check_content_head};
use artifact_store::{ContentType, NewUpload};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::create::{begin, expected_sha256};
use super::fields::{self, Metadata, UPLOAD_COMPLETE, has_type};
use super::protocol::{Protocol, check_one};
use super::{draft, reply};
use crate::deposit::{FileIn, expires_in, store};
use crate::management::{check_no_form, check_no_parameters};
use crate::problem::{Problem, ProblemType};
use crate::receipts::WantedReceipt;
use crate::request::AuthorizedRequest;

/// Returns whether a request begins an upload by the draft.
pub(crate) fn begins_by_draft(headers: &HeaderMap) -> bool {
    headers.contains_key(UPLOAD_COMPLETE)
}

/// Deposits the whole file of a request, or begins an upload with its first bytes.
pub(crate) async fn create_by_draft(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
    let max_bytes = request.service.store.config().max_artifact_bytes();
    let created = create(request).await;
    created.map_err(|problem| Protocol::Draft.dress(problem, max_bytes))
}

async fn create(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
    check_no_parameters(&request)?;
    let headers = &request.parts.headers;
    check_one(headers)?;
    let Some(complete) = draft::complete(headers)? else {
        return Err(Problem::bad_request(
            "send Upload-Complete: ?1 with the whole file, or ?0 with its first bytes",
        ));
    };
    check_no_form(request.parts)?;
    let content = draft::content_length(headers, &request.body);
    let length = draft::length(headers, 0, content, complete)?;
    let max_bytes = request.service.store.config().max_artifact_bytes();
    if length.is_some_and(|length| length > max_bytes) {
        let detail = format!("an artifact has at most {max_bytes} bytes here");
        return Err(Problem::new(ProblemType::PayloadTooLarge, detail));
    }
    draft::check_no_range(headers)?;
    if complete {
        // Whatever the interop version: it is a deposit.
        return whole(request).await;
    }
    draft::check_version(headers)?;
    check_content_head(headers, max_bytes)?;
    let metadata = metadata(headers)?;
    let new = NewUpload::new(request.experiment.id.clone())
        .with_length(length)
        .with_content_type(metadata.content_type)
        .with_file_name(metadata.file_name)
        .with_sha256(expected_sha256(headers)?)
        .with_expires_in(expires_in(headers)?);
    begin(request, Protocol::Draft, new, length, true).await
}

/// Deposits the content.
async fn whole(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
    let (service, parts) = (request.service, request.parts);
    let wanted = WantedReceipt::of(service, &parts.headers)?;
    let stored = store(request, FileIn::Content).await;
    let row = stored.map_err(|problem| {
        // There is no upload to go on with.
        problem.with_default_header(UPLOAD_COMPLETE, HeaderValue::from_static("?1"))
    })?;
    let mut response = reply::deposited(service, parts, &row);
    wanted.add(service, parts, &row, &mut response);
    Ok(response)
}

/// Returns the type and name of the file: those that a deposit would record (M-10), or else those of `Upload-Metadata`, which
/// tus-js-client sends in this protocol too.
fn metadata(headers: &HeaderMap) -> Result<Metadata, Problem> {
    let no_content = stream::empty::<Result<Bytes, Infallible>>();
    let declared = ReceivedFile::open_content(headers, no_content)?;
    let mut metadata = fields::metadata(headers)?;
    // tus-js-client sends the type of an append with the first bytes too.
    let is_of_append = |value| has_type(value, draft::PARTIAL_UPLOAD);
    let is_of_append = headers.get(CONTENT_TYPE).is_some_and(is_of_append);
    if !is_of_append && *declared.content_type() != ContentType::default() {
        metadata.content_type = declared.content_type().clone();
    }
    if headers.contains_key(CONTENT_DISPOSITION) {
        metadata.file_name = declared.file_name().cloned();
    }
    Ok(metadata)
}
