//! The header fields of draft-ietf-httpbis-resumable-upload
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/>), interop versions 4 to 8.
//!
//! The draft has a server ignore a field with a malformed value. This one refuses it: without `Upload-Complete` or
//! `Upload-Length`, a part of a file could become an artifact.

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body as _;
use sfv::{BareItem, Item, Parser};

use super::fields::{
    TUS_RESUMABLE, UPLOAD_COMPLETE, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_OFFSET,
    check_media_type,
};
use crate::problem::{Problem, ProblemType};

pub(super) const INTEROP_VERSION: HeaderName =
    HeaderName::from_static("upload-draft-interop-version");

/// The media type of the content of an append.
pub(super) const PARTIAL_UPLOAD: &[u8] = b"application/partial-upload";

/// The first interop version in which an append has a media type: draft-ietf-httpbis-resumable-upload-04.
const FIRST_WITH_TYPE: u64 = 6;

/// Fails for an interop version whose fields mean something else. A request without one is of the newest.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Problem> {
    match integer(headers, &INTEROP_VERSION)? {
        None | Some(4..=8) => Ok(()),
        Some(_) => Err(Problem::bad_request(
            "this server speaks the interop versions 4 to 8 of draft-ietf-httpbis-resumable-upload",
        )),
    }
}

/// Fails unless the content has the media type of an append.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let version = integer(headers, &INTEROP_VERSION)?;
    if version.is_some_and(|version| version < FIRST_WITH_TYPE) {
        return Ok(());
    }
    check_media_type(
        headers,
        PARTIAL_UPLOAD,
        "the content of an append has the Content-Type application/partial-upload",
    )
}

/// Returns whether the request says that its content is the end of the file. `None` if it has no `Upload-Complete`.
pub(super) fn complete(headers: &HeaderMap) -> Result<Option<bool>, Problem> {
    boolean(headers, &UPLOAD_COMPLETE)
}

/// Fails for content that is a part of a file by any protocol, where only whole files are taken. Returns the number of bytes that
/// the request says the file has, if it says so.
pub(crate) fn check_is_whole(headers: &HeaderMap, body: &Body) -> Result<Option<u64>, Problem> {
    /// The opposite of `Upload-Complete`, before interop version 4.
    const UPLOAD_INCOMPLETE: HeaderName = HeaderName::from_static("upload-incomplete");
    check_no_range(headers)?;
    let complete = complete(headers)?;
    if complete == Some(false) || boolean(headers, &UPLOAD_INCOMPLETE)? == Some(true) {
        return Err(Problem::bad_request(
            "only whole files are taken here; begin an upload for a part of one, with Upload-Complete: ?0",
        ));
    }
    if let Some(name) = [TUS_RESUMABLE, UPLOAD_DEFER_LENGTH]
        .into_iter()
        .find(|name| headers.contains_key(name))
    {
        return Err(no_upload(&name));
    }
    if complete.is_none() {
        let name = [UPLOAD_LENGTH, UPLOAD_OFFSET].into_iter();
        let mut name = name.filter(|name| headers.contains_key(name));
        return name.next().map_or(Ok(None), |name| Err(no_upload(&name)));
    }
    if integer(headers, &UPLOAD_OFFSET)?.is_some_and(|offset| offset > 0) {
        return Err(no_upload(&UPLOAD_OFFSET));
    }
    length(headers, 0, content_length(headers, body), true)
}

/// Fails for content that is a range of a file: RFC 9110, section 14.5.
pub(super) fn check_no_range(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Problem::bad_request(
            "a file is stored whole: leave Content-Range out, and send a file in parts by an upload",
        ));
    }
    Ok(())
}

fn no_upload(name: &HeaderName) -> Problem {
    Problem::bad_request(format!(
        "the field {name} belongs to an upload in parts, and only whole files are taken here; leave it out, or begin an upload at the path of the uploads of the experiment"
    ))
}

fn boolean(headers: &HeaderMap, name: &HeaderName) -> Result<Option<bool>, Problem> {
    match item(headers, name)? {
        None => Ok(None),
        Some(BareItem::Boolean(value)) => Ok(Some(value)),
        Some(_) => Err(malformed(name)),
    }
}

/// Parses a field that is a number of bytes, or a version.
pub(super) fn integer(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let number = match item(headers, name)? {
        None => return Ok(None),
        Some(BareItem::Integer(number)) => u64::try_from(i64::from(number)).ok(),
        Some(_) => None,
    };
    number.map(Some).ok_or_else(|| malformed(name))
}

/// Returns the length of the file that a request indicates: by `Upload-Length`, or by the end of its content if that completes
/// the upload.
pub(super) fn length(
    headers: &HeaderMap,
    offset: u64,
    content: Option<u64>,
    complete: bool,
) -> Result<Option<u64>, Problem> {
    let declared = integer(headers, &UPLOAD_LENGTH)?;
    let end = content.filter(|_| complete);
    let end = end.map(|content| offset.saturating_add(content));
    match (declared, end) {
        (Some(declared), Some(end)) if declared != end => Err(inconsistent(format!(
            "Upload-Length is {declared}, but the content that completes the upload ends at {end}"
        ))),
        _ => Ok(declared.or(end)),
    }
}

/// Returns the length of the content of a request, if it is known before it arrives.
pub(super) fn content_length(headers: &HeaderMap, body: &Body) -> Option<u64> {
    let declared = headers.get(CONTENT_LENGTH).map(HeaderValue::to_str);
    let declared = declared.and_then(|text| text.ok()?.parse().ok());
    declared.or_else(|| body.size_hint().exact())
}

/// Returns the value of `Upload-Limit`. `max_age` is in seconds.
pub(super) fn limits(max_bytes: u64, max_age: Option<u64>) -> HeaderValue {
    /// The greatest integer of a structured field (RFC 9651, section 3.3.1).
    const GREATEST: u64 = 999_999_999_999_999;
    let max_bytes = max_bytes.min(GREATEST);
    let text = match max_age {
        None => format!("max-size={max_bytes}"),
        Some(max_age) => format!("max-size={max_bytes}, max-age={}", max_age.min(GREATEST)),
    };
    HeaderValue::from_str(&text).expect("names and digits are visible ASCII")
}

/// The problem of lengths that contradict each other.
pub(super) fn inconsistent(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemType::DraftInconsistentLength, detail)
}

/// The problem of content for an upload that is complete.
pub(super) fn completed() -> Problem {
    Problem::new(
        ProblemType::DraftCompleted,
        "the upload is complete and takes no more bytes; begin a new one for another file",
    )
}

fn item(headers: &HeaderMap, name: &HeaderName) -> Result<Option<BareItem>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let parsed: Result<Item, _> = Parser::new(value.as_bytes()).parse();
    match (parsed, values.next()) {
        (Ok(item), None) => Ok(Some(item.bare_item)),
        _ => Err(malformed(name)),
    }
}

fn malformed(name: &HeaderName) -> Problem {
    Problem::bad_request(if name.as_str().ends_with("complete") {
        format!("the field {name} must be one boolean of structured fields: ?1 or ?0")
    } else {
        format!("the field {name} must be one whole number from 0 to 999999999999999, in digits")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let values = values.iter().copied().map(HeaderValue::from_static);
        values.map(|value| (name.clone(), value)).collect()
    }

    #[test]
    fn booleans_are_those_of_structured_fields() {
        for (text, expected) in [("?1", true), ("?0", false), (" ?1;a=b ", true)] {
            let headers = headers(&UPLOAD_COMPLETE, &[text]);
            assert_eq!(complete(&headers).unwrap(), Some(expected), "{text}");
        }
        assert_eq!(complete(&HeaderMap::new()).unwrap(), None);
        for bad in [
            &["1"][..],
            &["true"],
            &["?2"],
            &[""],
            &["?1", "?1"],
            &["?0, ?1"],
        ] {
            let headers = headers(&UPLOAD_COMPLETE, bad);
            assert_eq!(complete(&headers).unwrap_err().status(), 400, "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_not_negative_and_have_15_digits() {
        for (text, expected) in [
            ("0", 0),
            ("12", 12),
            ("999999999999999", 999_999_999_999_999),
        ] {
            let headers = headers(&UPLOAD_LENGTH, &[text]);
            let found = integer(&headers, &UPLOAD_LENGTH).unwrap();
            assert_eq!(found, Some(expected), "{text}");
        }
        for bad in [
            &["-1"][..],
            &["1.0"],
            &["1000000000000000"],
            &["18446744073709551621"],
            &["?1"],
            &["\"1\""],
            &["1, 1"],
            &["1", "1"],
            &[""],
        ] {
            let headers = headers(&UPLOAD_LENGTH, bad);
            let problem = integer(&headers, &UPLOAD_LENGTH).unwrap_err();
            assert_eq!(problem.status(), 400, "{bad:?}");
        }
    }

    #[test]
    fn the_lengths_of_a_request_agree() {
        let declared = headers(&UPLOAD_LENGTH, &["10"]);
        let none = HeaderMap::new();
        for (headers, content, complete, expected) in [
            (&declared, Some(3), true, Some(10)),
            (&declared, Some(2), false, Some(10)),
            (&declared, None, true, Some(10)),
            (&none, Some(3), true, Some(10)),
            (&none, Some(3), false, None),
            (&none, None, true, None),
        ] {
            let found = length(headers, 7, content, complete).unwrap();
            assert_eq!(found, expected, "{content:?}, {complete}");
        }
        for content in [0, 2, 4, u64::MAX] {
            let problem = length(&declared, 7, Some(content), true).unwrap_err();
            assert!(
                problem.is_of(ProblemType::DraftInconsistentLength),
                "{content}"
            );
        }
    }

    #[test]
    fn limits_are_a_dictionary() {
        assert_eq!(limits(5, None), "max-size=5");
        let greatest = "max-size=999999999999999, max-age=60";
        assert_eq!(limits(u64::MAX, Some(60)), greatest);
    }
}
