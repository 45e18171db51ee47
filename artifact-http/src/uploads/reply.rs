//! The responses.

use artifact_backend::UriPrefix;
use artifact_http_files::{REPR_DIGEST, digest_value};
use artifact_store::{Row, UploadSession};
use axum::extract::OriginalUri;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::fields::{
    ARTIFACT_LOCATION, TUS_RESUMABLE, UPLOAD_DEFER_LENGTH, UPLOAD_EXPIRES, UPLOAD_LENGTH,
    UPLOAD_METADATA, UPLOAD_OFFSET, VERSION, http_date, recorded_metadata,
};
use super::receive::Progress;
use crate::management::ArtifactBody;
use crate::openapi::schemas;
use crate::problem::Problem;
use crate::response;

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

/// Adds what every response about an upload says of it.
pub(super) fn describe(headers: &mut HeaderMap, parts: &Parts, progress: &Progress) {
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
    if let Some(row) = row {
        headers.insert(REPR_DIGEST, digest_value(&row.sha256));
        let path = experiment_path(parts);
        let location = HeaderValue::from_str(&format!("{path}/artifacts/{}", row.id));
        // The path of a request that was routed has no other characters.
        headers.insert(
            ARTIFACT_LOCATION,
            location.expect("a path and an id are visible ASCII"),
        );
    }
}

/// Returns the response to a request that changed an upload.
pub(super) fn changed(parts: &Parts, status: StatusCode, progress: &Progress) -> Response {
    let mut response = response::empty();
    *response.status_mut() = status;
    describe(response.headers_mut(), parts, progress);
    response
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
    // Nothing after the experiment contains this but the route itself.
    path.rfind("/uploads").map_or(path, |end| &path[..end])
}

/// Adds the version of tus to the problem of a request.
pub(super) fn with_version(problem: Problem) -> Problem {
    problem.with_header(TUS_RESUMABLE, VERSION)
}
