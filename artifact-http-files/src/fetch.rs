//! Answers a request for an artifact.

use artifact_store::{ArtifactStore, ErrorKind, ReadGrant, Result};
use http::header::{ACCEPT_RANGES, CONTENT_RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::content_coding::keep_unencoded;
use crate::file_body::FileBody;
use crate::file_fields::{FileFields, unsatisfied_range};
use crate::selection::Selection;

/// Answers a `GET` or `HEAD` of an artifact: 200, 206, 304, 412 or 416, with every field of [`FileFields`]. The 412 and
/// the 416 have no content; a caller may add some.
///
/// A 200 or 206 is [kept unencoded](keep_unencoded).
///
/// # Errors
///
/// Those of [`ArtifactStore::check`] and [`ArtifactStore::read`], except
/// [`InvalidRange`](ErrorKind::InvalidRange), which is the 416.
pub async fn respond(
    store: &ArtifactStore,
    grant: &ReadGrant,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<FileBody>> {
    // Before the conditions: a 304 or a HEAD would confirm bytes that no longer exist.
    store.check(grant).await?;
    let row = grant.row();
    let fields = FileFields::of(row);
    let mut response = match Selection::of(method, headers, fields.etag()) {
        Selection::Header => fields.whole(FileBody::empty()),
        Selection::NotModified => return Ok(fields.not_modified(FileBody::empty())),
        Selection::Failed => return Ok(without_content(StatusCode::PRECONDITION_FAILED)),
        Selection::Content(range) => match store.read(grant, range).await {
            Ok(download) => {
                let sent = download.range();
                fields.content(range, sent, row.size, FileBody::new(download, row.id, ()))
            }
            Err(error) if error.kind() == ErrorKind::InvalidRange => {
                return Ok(unsatisfiable(row.size));
            }
            Err(error) => return Err(error),
        },
    };
    keep_unencoded(headers, &mut response);
    Ok(response)
}

fn without_content(status: StatusCode) -> Response<FileBody> {
    let mut response = Response::new(FileBody::empty());
    *response.status_mut() = status;
    response
}

fn unsatisfiable(size: u64) -> Response<FileBody> {
    let mut response = without_content(StatusCode::RANGE_NOT_SATISFIABLE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_RANGE, unsatisfied_range(size));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}
