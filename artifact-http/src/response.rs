//! Responses whose body is in memory.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;
use serde::Serialize;

pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// Returns a JSON response that caches must not store.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("responses consist of strings, numbers and maps");
    with_body(status, JSON, "no-store", body.into())
}

/// Returns the body of the answer to `HEAD`, instead of the content that `GET` returns. axum adds
/// `Content-Length: 0` to a body that is known to be empty, so a body of unknown length stays one.
pub(crate) fn no_content(response: &Response) -> Body {
    let is_known = response.body().size_hint().exact().is_some();
    if is_known || response.headers().contains_key(CONTENT_LENGTH) {
        Body::empty()
    } else {
        Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())
    }
}

/// Returns 204.
pub(crate) fn empty() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Appends a value as JSON.
pub(crate) fn append_json(json: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(json, value).expect("responses consist of strings, numbers and maps");
}

/// Returns a response with this body and the header fields that describe it.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    cache_control: &'static str,
    body: Bytes,
) -> Response {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, body.len().into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
