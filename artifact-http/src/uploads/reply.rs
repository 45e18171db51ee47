//! The responses.

use std::time::SystemTime;

use artifact_backend::UriPrefix;
use artifact_http_files::{REPR_DIGEST, digest_value};
use artifact_store::{Row, UploadSession};
use axum::extract::OriginalUri;
use axum::response::Response;
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::draft;
use super::fields::{
    ARTIFACT_LOCATION, TUS_RESUMABLE, UPLOAD_COMPLETE, UPLOAD_DEFER_LENGTH, UPLOAD_EXPIRES,
    UPLOAD_LENGTH, UPLOAD_LIMIT, UPLOAD_METADATA, UPLOAD_OFFSET, VERSION, http_date,
    recorded_metadata,
};
use super::receive::Progress;
use crate::management::ArtifactBody;
use crate::openapi::schemas;
use crate::response;
use crate::router::Service;

/// The fields that every response about an upload has, for the document.
pub(super) const FIELDS: &[&str] = &[
    "Upload-Offset",
    "Upload-Complete",
    "Upload-Limit",
    "Upload-Expires",
    "Tus-Resumable",
];

/// An upload.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Upload")]
pub(super) struct UploadBody<'r> {
    /// The name of the upload in paths. It is not the id of the artifact.
    #[schemars(extend("examples" = [schemas::UPLOAD]))]
    id: String,
    /// The number of bytes that the server has.
    #[schemars(extend("examples" = [65536]))]
    offset: u64,
    /// The length of the file in bytes, if it was declared.
    #[schemars(extend("examples" = [12_345_678]))]
    length: Option<u64>,
    /// When the upload expires if nothing is appended.
    #[schemars(with = "schemas::Time")]
    expires_at: String,
    /// The artifact, once the upload is complete.
    artifact: Option<ArtifactBody<'r>>,
}

impl<'r> UploadBody<'r> {
    pub(super) fn new(session: &UploadSession, row: Option<&'r Row>, prefix: &UriPrefix) -> Self {
        Self {
            id: session.id.to_string(),
            offset: session.offset,
            length: session.length,
            expires_at: session.expires_at.to_string(),
            artifact: row.map(|row| ArtifactBody::new(row, prefix)),
        }
    }
}

/// Adds what every response about an upload says of it, in both protocols.
pub(super) fn describe(
    headers: &mut HeaderMap,
    service: &Service,
    parts: &Parts,
    progress: &Progress,
) {
    let Progress { session, row } = progress;
    headers.insert(TUS_RESUMABLE, VERSION);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UPLOAD_OFFSET, session.offset.into());
    match session.length {
        Some(length) => headers.insert(UPLOAD_LENGTH, length.into()),
        None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    headers.insert(UPLOAD_EXPIRES, http_date(session.expires_at));
    headers.insert(UPLOAD_METADATA, recorded_metadata(session));
    headers.insert(UPLOAD_COMPLETE, complete(row.is_some()));
    headers.insert(UPLOAD_LIMIT, limits(service, session));
    if let Some(row) = row {
        headers.insert(REPR_DIGEST, digest_value(&row.sha256));
        headers.insert(ARTIFACT_LOCATION, artifact_location(parts, row));
    }
}

fn complete(complete: bool) -> HeaderValue {
    HeaderValue::from_static(if complete { "?1" } else { "?0" })
}

fn limits(service: &Service, session: &UploadSession) -> HeaderValue {
    let config = service.store.config();
    let now = config.clock().now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let end = u64::try_from(session.expires_at.as_second()).unwrap_or(0);
    draft::limits(config.max_artifact_bytes(), Some(end.saturating_sub(now)))
}

/// Returns the response to a request that changed an upload.
pub(super) fn changed(
    service: &Service,
    parts: &Parts,
    status: StatusCode,
    progress: &Progress,
) -> Response {
    let mut response = response::empty();
    *response.status_mut() = status;
    describe(response.headers_mut(), service, parts, progress);
    response
}

/// Returns the response to a request that completed an upload of the draft: that to a deposit, and what an upload is.
pub(super) fn completed(
    service: &Service,
    parts: &Parts,
    progress: &Progress,
    row: &Row,
) -> Response {
    let mut response = deposited(service, parts, row);
    describe(response.headers_mut(), service, parts, progress);
    response
}

/// Returns the response to a deposit in one request of the draft.
pub(super) fn deposited(service: &Service, parts: &Parts, row: &Row) -> Response {
    let body = ArtifactBody::new(row, &service.config.uri_prefix);
    let mut response = response::json(StatusCode::CREATED, &body);
    let headers = response.headers_mut();
    headers.insert(REPR_DIGEST, digest_value(&row.sha256));
    headers.insert(LOCATION, artifact_location(parts, row));
    headers.insert(UPLOAD_COMPLETE, complete(true));
    headers.insert(UPLOAD_OFFSET, row.size.into());
    response
}

fn artifact_location(parts: &Parts, row: &Row) -> HeaderValue {
    let path = experiment_path(parts);
    let location = HeaderValue::from_str(&format!("{path}/artifacts/{}", row.id));
    // The path of a request that was routed has no other characters.
    location.expect("a path and an id are visible ASCII")
}

/// Returns the path of an upload as the client sees it: with the prefix under which an outer router mounts the endpoints.
pub(super) fn location(parts: &Parts, session: &UploadSession) -> HeaderValue {
    let path = experiment_path(parts);
    let location = HeaderValue::from_str(&format!("{path}/uploads/{}", session.id));
    location.expect("a path and an id are visible ASCII")
}

/// Returns the path up to the experiment, as the client sees it.
fn experiment_path(parts: &Parts) -> &str {
    let original = parts.extensions.get::<OriginalUri>();
    let path = original.map_or(parts.uri.path(), |original| original.path());
    // The path of a list ends with its name, that of an upload with an id, which is no such name.
    match path.rsplit_once('/') {
        Some((experiment, "artifacts" | "uploads")) => experiment,
        Some((list, _)) => list.strip_suffix("/uploads").unwrap_or(list),
        None => path,
    }
}
