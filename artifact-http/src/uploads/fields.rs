//! The header fields of tus 1.0 (<https://tus.io/protocols/resumable-upload>), and those that both protocols have.

use artifact_store::{ContentType, FileName, Timestamp, UploadSession};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::problem::Problem;

pub(super) const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(super) const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub(super) const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
pub(super) const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
pub(super) const TUS_CHECKSUM_ALGORITHM: HeaderName =
    HeaderName::from_static("tus-checksum-algorithm");
/// Whether an upload is complete. Of the draft.
pub(crate) const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
/// What an upload must not exceed. Of the draft.
pub(super) const UPLOAD_LIMIT: HeaderName = HeaderName::from_static("upload-limit");
/// Where the artifact is that an upload became. Of neither protocol.
pub(super) const ARTIFACT_LOCATION: HeaderName = HeaderName::from_static("artifact-location");

/// The version of tus that this server speaks.
pub(super) const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");

/// The media type of the content of an append.
const OFFSET_OCTET_STREAM: &[u8] = b"application/offset+octet-stream";

/// The most values of `Upload-Metadata`. Only two of them mean something here.
const MAX_METADATA: usize = 64;

/// Fails unless the client speaks the version of tus that this server speaks.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Problem> {
    let mut versions = headers.get_all(TUS_RESUMABLE).iter();
    if versions.next() == Some(&VERSION) && versions.next().is_none() {
        return Ok(());
    }
    let detail = "this server speaks tus 1.0.0; send the field Tus-Resumable: 1.0.0";
    let problem = Problem::plain(StatusCode::PRECONDITION_FAILED, detail);
    Err(problem.with_header(TUS_VERSION, VERSION))
}

/// Fails unless the client speaks this version of tus or says nothing about tus.
pub(super) fn check_version_if_any(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(TUS_RESUMABLE) {
        check_version(headers)
    } else {
        Ok(())
    }
}

/// Fails unless the content has the media type of an append.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    check_media_type(
        headers,
        OFFSET_OCTET_STREAM,
        "the content of an append has the Content-Type application/offset+octet-stream",
    )
}

/// Fails unless the content has exactly one media type, which is this one.
pub(super) fn check_media_type(
    headers: &HeaderMap,
    expected: &[u8],
    detail: &'static str,
) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let fits = types.next().is_some_and(|value| has_type(value, expected));
    if fits && types.next().is_none() {
        return Ok(());
    }
    Err(Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// Returns whether a media type is this one, apart from its parameters.
pub(super) fn has_type(value: &HeaderValue, essence: &[u8]) -> bool {
    let found = value.as_bytes().split(|byte| *byte == b';').next();
    found.is_some_and(|found| found.trim_ascii().eq_ignore_ascii_case(essence))
}

/// Parses a field that is a number of bytes: digits, up to the greatest number that databases hold.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = text.and_then(|text| text.parse::<i64>().ok());
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.map(Some).ok_or_else(|| {
        Problem::bad_request(format!(
            "the field {name} must be one whole number from 0 to 9223372036854775807, in digits"
        ))
    })
}

/// Parses `Upload-Length` or, instead, `Upload-Defer-Length: 1`.
pub(super) fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let length = number(headers, &UPLOAD_LENGTH)?;
    let mut deferred = headers.get_all(UPLOAD_DEFER_LENGTH).iter();
    let is_deferred = deferred.next().map(|value| value == "1");
    let problem = match (length, is_deferred, deferred.next()) {
        (Some(_), None, _) | (None, Some(true), None) => return Ok(length),
        (None, None, _) => "send Upload-Length, or Upload-Defer-Length: 1 if it is not known yet",
        (Some(_), Some(_), _) => "send either Upload-Length or Upload-Defer-Length, not both",
        (None, Some(_), _) => "Upload-Defer-Length can only be 1",
    };
    Err(Problem::bad_request(problem))
}

/// What `Upload-Metadata` says about the file.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) file_name: Option<FileName>,
    pub(super) content_type: ContentType,
}

/// Parses `Upload-Metadata`: pairs of a key and a value in base64. Keys other than `filename` and `filetype` have no meaning here.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Metadata, Problem> {
    let malformed = || {
        Problem::bad_request(
            "Upload-Metadata must be pairs of a key and a value in base64, separated by commas, such as: filename YS50eHQ=",
        )
    };
    let mut values = headers.get_all(UPLOAD_METADATA).iter();
    let mut metadata = Metadata::default();
    let Some(value) = values.next() else {
        return Ok(metadata);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text = text.ok_or_else(malformed)?;
    let mut keys = Vec::new();
    for pair in text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if keys.contains(&key) || keys.len() == MAX_METADATA {
            return Err(malformed());
        }
        keys.push(key);
        let value = STANDARD.decode(value.trim()).map_err(|_| malformed())?;
        let value = String::from_utf8(value);
        match key {
            "filename" => {
                let name = value.map_err(|_| malformed())?;
                metadata.file_name = FileName::clean(&name);
            }
            "filetype" => {
                let declared = value.map_err(|_| malformed())?;
                metadata.content_type = ContentType::clean(&declared);
            }
            _ => {}
        }
    }
    Ok(metadata)
}

/// Returns what [`metadata`] would read, from what was recorded.
pub(super) fn recorded_metadata(session: &UploadSession) -> HeaderValue {
    let content_type = STANDARD.encode(session.content_type.as_str());
    let name = session.file_name.as_ref();
    let name = name.map(|name| format!("filename {},", STANDARD.encode(name.as_str())));
    let text = format!("{}filetype {content_type}", name.unwrap_or_default());
    HeaderValue::from_str(&text).expect("base64 is visible ASCII")
}

/// Returns a time as HTTP writes it (RFC 9110, section 5.6.7).
pub(super) fn http_date(time: Timestamp) -> HeaderValue {
    let text = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).expect("a date is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn metadata_is_base64_of_known_keys() {
        let parse = |value| metadata(&headers(&[("upload-metadata", value)]));
        let found = parse("filename YS9iLmNzdg==,filetype dGV4dC9jc3Y=, is_secret").unwrap();
        assert_eq!(found.file_name.unwrap().as_str(), "b.csv");
        assert_eq!(found.content_type.as_str(), "text/csv");
        let empty = parse("").unwrap();
        assert_eq!(empty.content_type, ContentType::default());
        for bad in [
            "filename ?",
            "filename YQ==,filename YQ==",
            "filename /w==",
            "filetype YQ",
        ] {
            assert_eq!(parse(bad).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn numbers_are_not_negative_and_do_not_overflow() {
        let parse = |value| number(&headers(&[("upload-length", value)]), &UPLOAD_LENGTH);
        assert_eq!(parse("0").unwrap(), Some(0));
        assert_eq!(parse("9223372036854775807").unwrap(), Some(i64::MAX as u64));
        for bad in [
            "",
            "-1",
            "+1",
            "1.0",
            "0x1",
            "9223372036854775808",
            "18446744073709551617",
            "1 ",
            "1,1",
        ] {
            assert_eq!(parse(bad).unwrap_err().status(), 400, "{bad:?}");
        }
        let two = headers(&[("upload-length", "1"), ("upload-length", "1")]);
        assert_eq!(number(&two, &UPLOAD_LENGTH).unwrap_err().status(), 400);
        assert_eq!(number(&HeaderMap::new(), &UPLOAD_LENGTH).unwrap(), None);
    }

    #[test]
    fn a_time_is_written_as_http_does() {
        let time: Timestamp = "2026-01-02T03:04:05.6Z".parse().unwrap();
        assert_eq!(http_date(time), "Fri, 02 Jan 2026 03:04:05 GMT");
    }
}
