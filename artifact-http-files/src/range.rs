//! The `Range` header field.

use artifact_backend::ByteRange;
use http::HeaderMap;
use http::header::RANGE;

/// Parses a single range (RFC 9110, section 14.2). Returns `None` for several ranges, another unit
/// and malformed values, which a server may ignore.
pub fn parse_range(headers: &HeaderMap) -> Option<ByteRange> {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (unit, set) = value.to_str().ok()?.split_once('=')?;
    // Refuses a list of ranges, however long, without parsing it.
    if !unit.eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first, last) {
        ("", "") => None,
        ("", length) => Some(ByteRange::Suffix(number(length)?)),
        (first, "") => Some(ByteRange::From(number(first)?)),
        (first, last) => {
            // RFC 9110, section 14.1.1: a range that ends before it begins is invalid.
            let is_ordered = magnitude(first) <= magnitude(last);
            let (first, last) = (number(first)?, number(last)?);
            is_ordered.then_some(ByteRange::FromTo { first, last })
        }
    }
}

/// Parses digits. A number that is too large for any blob becomes `u64::MAX`.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Orders digits by their value, however large it is.
fn magnitude(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use artifact_backend::ByteRange;
    use http::{HeaderMap, HeaderValue};

    use super::parse_range;

    fn parse_all(values: &[&str]) -> Option<ByteRange> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("range", HeaderValue::from_str(value).unwrap());
        }
        parse_range(&headers)
    }

    #[test]
    fn single_byte_ranges_are_parsed() {
        assert_eq!(
            parse_all(&["bytes=0-0"]),
            Some(ByteRange::FromTo { first: 0, last: 0 })
        );
        assert_eq!(
            parse_all(&["Bytes= 2-5 "]),
            Some(ByteRange::FromTo { first: 2, last: 5 })
        );
        assert_eq!(parse_all(&["bytes=7-"]), Some(ByteRange::From(7)));
        assert_eq!(parse_all(&["bytes=-7"]), Some(ByteRange::Suffix(7)));
        assert_eq!(parse_all(&["bytes=-0"]), Some(ByteRange::Suffix(0)));
        let huge = "99999999999999999999999";
        assert_eq!(
            parse_all(&[&format!("bytes={huge}-")]),
            Some(ByteRange::From(u64::MAX))
        );
        assert_eq!(
            parse_all(&[&format!("bytes=-{huge}")]),
            Some(ByteRange::Suffix(u64::MAX))
        );
    }

    #[test]
    fn malformed_and_multiple_ranges_are_ignored() {
        let texts = [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-x",
            "bytes=5-2",
            "bytes=+1-2",
            "bytes=1-2,4-5",
            "bytes=1-2-3",
            "items=1-2",
            "bytes 1-2",
            "bytes=1 - 2",
            "bytes=0x1-2",
            "bytes =1-2",
            "bytes=99999999999999999999999-99999999999999999999998",
            "bytes=099999999999999999999999-18446744073709551616",
        ];
        for text in texts {
            assert_eq!(parse_all(&[text]), None, "{text:?}");
        }
        assert_eq!(parse_all(&["bytes=0-0", "bytes=0-0"]), None);
        let thousand = format!("bytes={}", vec!["0-0"; 1000].join(","));
        assert_eq!(parse_all(&[&thousand]), None);
    }
}
