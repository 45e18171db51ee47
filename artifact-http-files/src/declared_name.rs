//! The file name in the `Content-Disposition` of a request.

use artifact_multipart::{Disposition, Error};
use artifact_store::FileName;
use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;
use percent_encoding::percent_decode_str;

use crate::receive_error::ReceiveError;

/// Returns the declared name of the content, if there is a usable one. `filename*` has precedence over `filename` (RFC
/// 6266, section 4.3).
pub(crate) fn declared_name(headers: &HeaderMap) -> Result<Option<FileName>, ReceiveError> {
    let mut values = headers.get_all(CONTENT_DISPOSITION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ReceiveError::malformed(
            "the request has two Content-Disposition fields",
        ));
    }
    let disposition = Disposition::parse(value.as_bytes())?;
    let extended = disposition.extended_file_name().map(decode).transpose()?;
    let name = extended.flatten();
    let name = name.as_deref().or(disposition.file_name());
    Ok(name.and_then(FileName::clean))
}

/// Decodes `charset'language'percent-encoded` (RFC 8187, section 3.2.1). Returns `None` for another character set than
/// UTF-8, the only one that a recipient must know.
fn decode(extended: &str) -> Result<Option<String>, Error> {
    let mut parts = extended.splitn(3, '\'');
    let (Some(charset), Some(_language), Some(encoded)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return Err(Error::MalformedDisposition);
    };
    if !charset.eq_ignore_ascii_case("utf-8") {
        return Ok(None);
    }
    let decoded = percent_decode_str(encoded).decode_utf8();
    let decoded = decoded.map_err(|_| Error::FileNameNotUtf8)?;
    Ok(Some(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn name(value: &[u8]) -> Result<Option<String>, String> {
        let value = HeaderValue::from_bytes(value).unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_DISPOSITION, value)]);
        let name = declared_name(&headers).map_err(|error| error.to_string())?;
        Ok(name.map(|name| name.as_str().to_owned()))
    }

    #[test]
    fn names_are_made_safe() {
        for (value, expected) in [
            (&b"attachment"[..], None),
            (b"attachment; filename=a.txt", Some("a.txt")),
            (b"inline; filename=\"../../etc/passwd\"", Some("passwd")),
            (b"attachment; filename=\"..\"", None),
            (b"attachment; filename=\"K\xc3\xb6ln\"", Some("K\u{f6}ln")),
            (
                b"attachment; filename=a; filename*=utf-8'de'K%C3%B6ln%2Fb",
                Some("b"),
            ),
            (
                b"attachment; filename=a; filename*=iso-8859-1''K%F6ln",
                Some("a"),
            ),
            (b"attachment; filename*=UTF-8''it's", Some("it's")),
        ] {
            assert_eq!(name(value).unwrap().as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn names_that_cannot_be_read_are_refused() {
        for value in [
            &b"attachment; filename=\"\xff\""[..],
            b"attachment; filename*=UTF-8''%FF",
            b"attachment; filename*=a",
            b"attachment; filename=a; filename=b",
            b"",
        ] {
            assert!(name(value).is_err(), "{value:?}");
        }
        let one = HeaderValue::from_static("attachment");
        let mut two = HeaderMap::new();
        two.append(CONTENT_DISPOSITION, one.clone());
        two.append(CONTENT_DISPOSITION, one);
        assert_eq!(declared_name(&two).unwrap_err().status(), 400);
    }
}
