//! What a `GET` or `HEAD` selects of an artifact.

use artifact_backend::ByteRange;
use http::{HeaderMap, Method};

use crate::conditional::{Verdict, evaluate};
use crate::range::parse_range;

/// What a `GET` or `HEAD` selects of an artifact, after its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// 200 or 206 with this range, or 416 if the range contains no byte of the artifact.
    Content(ByteRange),
    /// 200 without content: the request is `HEAD`, which has no ranges (RFC 9110, section 14.2).
    Header,
    /// 304: the client already has the artifact.
    NotModified,
    /// 412: the client wants another artifact.
    Failed,
}

impl Selection {
    /// Evaluates `If-Match`, `If-None-Match`, `If-Range` and `Range`, in this order. Call it only after the principal
    /// was authorized, because its outcome reveals whether the artifact has a known entity tag.
    pub fn of(method: &Method, headers: &HeaderMap, etag: &str) -> Self {
        match evaluate(headers, etag) {
            Verdict::Failed => Self::Failed,
            Verdict::NotModified => Self::NotModified,
            Verdict::Proceed { .. } if *method == Method::HEAD => Self::Header,
            Verdict::Proceed { use_range: true } => {
                Self::Content(parse_range(headers).unwrap_or_default())
            }
            Verdict::Proceed { use_range: false } => Self::Content(ByteRange::Full),
        }
    }
}
