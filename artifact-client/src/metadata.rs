//! Metadata of an artifact, from the headers of a response.

use artifact_backend::Sha256Digest;
use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue,
};

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::{disposition, repr_digest};

pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The metadata of an artifact. Each field is `None` if the server did not send it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The content type that the server recorded.
    pub content_type: Option<String>,
    /// The file name that the server recorded, without a path.
    pub file_name: Option<String>,
    /// The size of the whole artifact in bytes.
    pub size: Option<u64>,
    /// The SHA-256 of the whole artifact, as recorded when it was deposited.
    pub sha256: Option<Sha256Digest>,
}

/// The headers of one response.
pub(crate) struct ResponseHeaders {
    pub(crate) content_type: Option<String>,
    pub(crate) file_name: Option<String>,
    /// The length of this response's body, which may be a part of the artifact.
    pub(crate) content_length: Option<u64>,
    pub(crate) sha256: Option<Sha256Digest>,
    /// The entity tag if it is strong: only strong tags allow to combine parts (RFC 9110, section
    /// 13.1.5).
    pub(crate) etag: Option<HeaderValue>,
}

impl ResponseHeaders {
    pub(crate) fn parse(operation: Operation, status: u16, headers: &HeaderMap) -> Result<Self> {
        let protocol = |detail: &'static str| {
            Error::new(ErrorKind::Protocol, operation)
                .with_response(status, None)
                .with_detail(detail)
        };
        if let Some(coding) = header_text(headers, &CONTENT_ENCODING)
            && !coding.eq_ignore_ascii_case("identity")
        {
            return Err(protocol(
                "the response is compressed, although the request forbade it",
            ));
        }
        let content_length = header_text(headers, &CONTENT_LENGTH)
            .map(str::parse)
            .transpose()
            .map_err(|_| protocol("the response's Content-Length is not a number"))?;
        let sha256 = match header_text(headers, &REPR_DIGEST) {
            Some(value) => repr_digest::sha256(value)
                .map_err(|()| protocol("the response's Repr-Digest is not a SHA-256"))?,
            None => None,
        };
        Ok(Self {
            content_type: header_text(headers, &CONTENT_TYPE).map(ToOwned::to_owned),
            file_name: header_text(headers, &CONTENT_DISPOSITION).and_then(disposition::file_name),
            content_length,
            sha256,
            etag: headers.get(ETAG).filter(|tag| is_strong(tag)).cloned(),
        })
    }
}

/// Returns whether an entity tag is strong: in quotes, without `W/` before them (RFC 9110, section
/// 8.8.3).
fn is_strong(tag: &HeaderValue) -> bool {
    let inside = tag.as_bytes().strip_prefix(b"\"");
    let inside = inside.and_then(|rest| rest.strip_suffix(b"\""));
    inside.is_some_and(|inside| !inside.contains(&b'"'))
}

/// Returns the first header of this name if it is ASCII text.
pub(crate) fn header_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quoted_tags_without_prefix_are_strong() {
        for (tag, strong) in [
            ("\"abc\"", true),
            ("\"\"", true),
            ("W/\"abc\"", false),
            ("abc", false),
            ("\"", false),
            ("\"a\"b\"", false),
        ] {
            assert_eq!(is_strong(&HeaderValue::from_static(tag)), strong, "{tag}");
        }
    }
}
