//! What the header of an answer says of the artifact.

use artifact_backend::Sha256Digest;
use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue,
};

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::{disposition, repr_digest};

/// What is known of an artifact without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The content type as recorded, where the server says one.
    pub content_type: Option<String>,
    /// The file name as recorded: one component, never a path; `None` where there is none.
    pub file_name: Option<String>,
    /// How many bytes the whole artifact has, where the server says so.
    pub size: Option<u64>,
    /// The SHA-256 of the whole artifact as recorded at the deposit, where the server says it.
    pub sha256: Option<Sha256Digest>,
}

/// What the header of one answer says.
pub(crate) struct Head {
    pub(crate) content_type: Option<String>,
    pub(crate) file_name: Option<String>,
    /// Of the answer's own content, which may be a part of the artifact.
    pub(crate) length: Option<u64>,
    pub(crate) sha256: Option<Sha256Digest>,
    /// Only a strong one, by which alone parts may be put together (RFC 9110, section 13.1.5).
    pub(crate) etag: Option<HeaderValue>,
}

impl Head {
    pub(crate) fn of(operation: Operation, status: u16, headers: &HeaderMap) -> Result<Self> {
        let protocol = |detail: &str| {
            Error::new(ErrorKind::Protocol, operation)
                .with_answer(status, None)
                .with_detail(detail)
        };
        if let Some(coding) = text(headers, &CONTENT_ENCODING)
            && !coding.eq_ignore_ascii_case("identity")
        {
            return Err(protocol(
                "the answer is compressed, which was not asked for",
            ));
        }
        let length = text(headers, &CONTENT_LENGTH)
            .map(str::parse)
            .transpose()
            .map_err(|_| protocol("the answer's length is not a number"))?;
        let sha256 = match text(headers, &HeaderName::from_static("repr-digest")) {
            Some(value) => repr_digest::sha256(value)
                .map_err(|()| protocol("the answer's Repr-Digest is not a SHA-256"))?,
            None => None,
        };
        Ok(Self {
            content_type: text(headers, &CONTENT_TYPE).map(ToOwned::to_owned),
            file_name: text(headers, &CONTENT_DISPOSITION).and_then(disposition::file_name),
            length,
            sha256,
            etag: headers.get(ETAG).filter(|tag| is_strong(tag)).cloned(),
        })
    }
}

/// RFC 9110, section 8.8.3: in quotes, without `W/` before them.
fn is_strong(tag: &HeaderValue) -> bool {
    let inside = tag.as_bytes().strip_prefix(b"\"");
    let inside = inside.and_then(|rest| rest.strip_suffix(b"\""));
    inside.is_some_and(|inside| !inside.contains(&b'"'))
}

/// A header as text, where there is one of it that is ASCII.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strong_tag_is_one() {
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
