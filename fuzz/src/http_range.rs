//! Target `http_range`: a `Range` field selects exactly the bytes that RFC 9110 says, or is ignored.

use artifact_backend::ByteRange;
use artifact_http::fuzzing;
use http::header::RANGE;
use http::{HeaderMap, HeaderValue};

/// Checks one input. Its first 8 bytes are the size of an artifact; each line of the rest is one `Range`
/// field.
///
/// # Panics
///
/// If a range is used that RFC 9110, section 14.2 does not allow; if an allowed single range is ignored;
/// or if it selects other bytes than the numbers in the text say.
pub fn check(data: &[u8]) {
    let (size, text) = match data.split_first_chunk::<8>() {
        Some((size, text)) => (u64::from_be_bytes(*size), text),
        None => (10, data),
    };
    let mut headers = HeaderMap::new();
    let mut lines = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        // Other bytes are no header field.
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(RANGE, value);
            lines.push(line);
        }
    }
    let parsed = fuzzing::range(&headers);
    let expected = match lines[..] {
        [line] => expect(line),
        _ => None,
    };
    let Some((first, last)) = expected else {
        assert_eq!(parsed, None, "a malformed range is used");
        return;
    };
    let parsed = parsed.expect("an allowed range is used");
    assert_ne!(parsed, ByteRange::Full);
    let selected = parsed.resolve(size).ok();
    let expected = select(first, last, size);
    assert_eq!(selected, expected, "{parsed:?} of {size} bytes");
}

/// The digits before and after the hyphen.
type Positions<'t> = (&'t [u8], &'t [u8]);

/// Parses the only range of a field. RFC 9110, section 5.6.1.2 allows white space around list elements.
fn expect(line: &[u8]) -> Option<Positions<'_>> {
    let unit = line.get(..6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let (mut set, mut digits) = (&line[6..], [None, None]);
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = set {
        set = rest;
    }
    let hyphen = set.iter().position(|byte| *byte == b'-')?;
    for (slot, part) in digits.iter_mut().zip([&set[..hyphen], &set[hyphen + 1..]]) {
        if !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        *slot = Some(part);
    }
    let (first, last) = (digits[0]?, digits[1]?);
    if first.is_empty() && last.is_empty() {
        return None;
    }
    let is_inverted = !first.is_empty() && !last.is_empty() && is_less(last, first);
    (!is_inverted).then_some((first, last))
}

/// Compares decimal numbers of any length.
fn is_less(one: &[u8], other: &[u8]) -> bool {
    let length = one.len().max(other.len());
    let padded = |digits: &[u8]| {
        let mut padded = vec![b'0'; length - digits.len()];
        padded.extend_from_slice(digits);
        padded
    };
    padded(one) < padded(other)
}

/// Returns the selected positions by RFC 9110, section 14.1.2; `None` if the range is not satisfiable.
fn select(first: &[u8], last: &[u8], size: u64) -> Option<std::ops::Range<u64>> {
    // More digits than a u128 holds are far behind the end of any artifact.
    let number = |digits: &[u8]| {
        digits.iter().fold(0_u128, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(u128::from(digit - b'0'))
        })
    };
    let size = u128::from(size);
    let (start, end) = if first.is_empty() {
        let length = number(last);
        if length == 0 {
            return None;
        }
        (size - length.min(size), size)
    } else {
        let start = number(first);
        if start >= size {
            return None;
        }
        let end = match last {
            [] => size,
            last => number(last).saturating_add(1).min(size),
        };
        (start, end)
    };
    let position = |at| u64::try_from(at).expect("a position is at most the size");
    Some(position(start)..position(end))
}
