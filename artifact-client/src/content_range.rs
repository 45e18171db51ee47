//! `Content-Range` (RFC 9110, section 14.4): which bytes a response contains.

use std::ops::Range;

/// A parsed `Content-Range`. Positions are in bytes from 0. `total` is the size of the whole artifact,
/// or `None` if the server did not give it (`*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContentRange {
    /// The range of a 206 response.
    Part {
        part: Range<u64>,
        total: Option<u64>,
    },
    /// The size of the artifact, from a 416 response.
    Unsatisfied { total: u64 },
}

impl ContentRange {
    /// Parses a value that follows the grammar exactly and lies within the size.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (part, total) = rest.split_once('/')?;
        if part == "*" {
            let total = number(total)?;
            return Some(Self::Unsatisfied { total });
        }
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let end = last.checked_add(1)?;
        let fits = first <= last && total.is_none_or(|total| end <= total);
        let part = first..end;
        fits.then_some(Self::Part { part, total })
    }
}

/// Parses a number of digits only; Rust's own parser also accepts a sign.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::ContentRange::{self, Part, Unsatisfied};

    #[test]
    fn values_outside_the_grammar_are_rejected() {
        let part = |part, total| Some(Part { part, total });
        for (text, found) in [
            ("bytes 0-0/1", part(0..1, Some(1))),
            ("Bytes 2-5/10", part(2..6, Some(10))),
            ("bytes 2-5/*", part(2..6, None)),
            ("bytes */7", Some(Unsatisfied { total: 7 })),
            ("", None),
            ("bytes", None),
            ("bytes=0-0/1", None),
            ("items 0-0/1", None),
            ("bytes 0-0", None),
            ("bytes 5-2/10", None),
            ("bytes 0-10/10", None),
            ("bytes +0-1/10", None),
            ("bytes 0-1/", None),
            ("bytes */*", None),
            ("bytes -1/10", None),
            ("bytes 0-18446744073709551615/*", None),
        ] {
            assert_eq!(ContentRange::parse(text), found, "{text}");
        }
    }
}
