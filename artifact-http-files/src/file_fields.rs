//! The header fields of every successful response about an artifact.

use std::ops::Range;

use artifact_backend::ByteRange;
use artifact_store::{FileName, Row};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::digest_fields::{REPR_DIGEST, digest_value};
use crate::disposition::attachment;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The header fields of one artifact, as `GET` and `HEAD` of the whole artifact have them.
///
/// | field | value |
/// |---|---|
/// | `Content-Type`, `Content-Length` | as recorded |
/// | `Content-Disposition` | [`attachment`], with the recorded file name |
/// | `ETag` | strong: the SHA-256 in hexadecimal |
/// | `Repr-Digest` | the SHA-256 of the whole artifact, also on a 206 (RFC 9530) |
/// | `Accept-Ranges` | `bytes` |
/// | `X-Content-Type-Options`, `Content-Security-Policy`, `Cross-Origin-Resource-Policy` | a browser guesses no type, runs no script, and hands nothing to other sites |
/// | `Cache-Control`, `Vary` | no cache stores the response |
///
/// Rows never change, so a program may cache the fields of an artifact.
#[derive(Debug, Clone)]
pub struct FileFields(HeaderMap);

impl FileFields {
    /// Makes the fields of the artifact of a row.
    pub fn of(row: &Row) -> Self {
        let mut headers = HeaderMap::with_capacity(11);
        let fixed = HeaderValue::from_static;
        headers.insert(CONTENT_TYPE, header_value(row.content_type.as_str()));
        headers.insert(CONTENT_LENGTH, row.size.into());
        let file_name = row.file_name.as_ref().map(FileName::as_str);
        headers.insert(CONTENT_DISPOSITION, attachment(file_name));
        headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            fixed("default-src 'none'; sandbox"),
        );
        headers.insert(RESOURCE_POLICY, fixed("same-origin"));
        headers.insert(CACHE_CONTROL, fixed("private, no-store"));
        headers.insert(VARY, fixed("Authorization"));
        headers.insert(ETAG, header_value(&format!("\"{}\"", row.sha256)));
        headers.insert(ACCEPT_RANGES, fixed("bytes"));
        // The digest of the whole artifact, also for a range of it.
        headers.insert(REPR_DIGEST, digest_value(&row.sha256));
        Self(headers)
    }

    /// Returns the entity tag with its quotes, for [`Selection::of`](crate::Selection::of).
    ///
    /// # Panics
    ///
    /// Never: every artifact has an entity tag.
    pub fn etag(&self) -> &str {
        let etag = self.0.get(ETAG).and_then(|etag| etag.to_str().ok());
        etag.expect("every artifact has an entity tag of visible ASCII")
    }

    /// Returns the 200 of the whole artifact, with its bytes or as the answer to `HEAD`.
    pub fn whole<B>(&self, body: B) -> Response<B> {
        // Copying the map takes a third of the time of inserting its fields.
        respond(StatusCode::OK, self.0.clone(), body)
    }

    /// Returns the 200 or 206 with the content that was read for a request: `asked` is the range of the request,
    /// `sent` that of the download, and `size` the size of the whole artifact.
    pub fn content<B>(
        &self,
        asked: ByteRange,
        sent: Range<u64>,
        size: u64,
        body: B,
    ) -> Response<B> {
        let mut response = self.whole(body);
        // A suffix of an empty artifact is all of it, which no Content-Range can express.
        if asked != ByteRange::Full && !sent.is_empty() {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let headers = response.headers_mut();
            let content_range = format!("bytes {}-{}/{size}", sent.start, sent.end - 1);
            headers.insert(CONTENT_RANGE, header_value(&content_range));
            headers.insert(CONTENT_LENGTH, (sent.end - sent.start).into());
        }
        response
    }

    /// Returns the 304 with the fields that RFC 9110, section 15.4.5 wants from the 200. The body must be empty.
    pub fn not_modified<B>(&self, empty: B) -> Response<B> {
        let wanted = [CACHE_CONTROL, ETAG, VARY].into_iter();
        let kept = wanted.filter_map(|name| {
            let value = self.0.get(&name)?.clone();
            Some((name, value))
        });
        respond(StatusCode::NOT_MODIFIED, kept.collect(), empty)
    }
}

/// Returns the `Content-Range` of a 416 (RFC 9110, section 15.5.17).
///
/// # Panics
///
/// Never: a number is valid in a header field.
pub fn unsatisfied_range(size: u64) -> HeaderValue {
    header_value(&format!("bytes */{size}"))
}

fn respond<B>(status: StatusCode, headers: HeaderMap, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("content types, digests and numbers are visible ASCII")
}
