//! Finds what hyper does not report about the framing of a request.

use memchr::memchr;

/// Scans the header of one HTTP/1.1 request as it arrives.
///
/// If a request has both `Transfer-Encoding` and `Content-Length`, hyper removes the length and says
/// nothing. A length that it cannot count with it refuses like a header that is too large.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    phase: Phase,
    has_length: bool,
    has_coding: bool,
    /// Whether `Content-Length` is a number that hyper cannot count with.
    pub(super) huge_length: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    RequestLine,
    Fields,
    /// The empty line was found, or the bytes are no request.
    Over,
}

impl HeadScan {
    /// Continues with the next bytes. Those after the header are ignored.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while self.phase != Phase::Over {
            let Some(end) = memchr(b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                return;
            };
            let (rest_of_line, after) = (&bytes[..end], &bytes[end + 1..]);
            if self.line.is_empty() {
                self.end_line(rest_of_line);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(rest_of_line);
                self.end_line(&line);
            }
            bytes = after;
        }
    }

    /// Whether the request has two framings (RFC 9112, section 6.3, rule 3).
    pub(super) fn has_two_framings(&self) -> bool {
        self.has_length && self.has_coding
    }

    fn end_line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match (self.phase, line.first()) {
            // RFC 9112, section 2.2: empty lines before a request are ignored.
            (Phase::RequestLine, None) => {}
            (Phase::RequestLine, Some(_)) => {
                let version = line.len().checked_sub(8).map(|start| &line[start..]);
                let is_request = version.is_some_and(|version| version.starts_with(b"HTTP/1."));
                self.phase = if is_request {
                    Phase::Fields
                } else {
                    Phase::Over
                };
            }
            (_, None) => self.phase = Phase::Over,
            (_, Some(b'c' | b'C')) => {
                if let Some(value) = value_of(line, b"content-length:") {
                    self.has_length = true;
                    self.huge_length |= is_huge(value.trim_ascii());
                }
            }
            (_, Some(b't' | b'T')) => {
                self.has_coding |= value_of(line, b"transfer-encoding:").is_some();
            }
            _ => {}
        }
    }
}

/// Returns the value of a line if the field has this name.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then_some(value)
}

/// Whether digits are one of the two largest of a `u64`, which hyper uses for other things. It refuses larger
/// numbers as malformed.
fn is_huge(digits: &[u8]) -> bool {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(digits).ok().filter(|_| is_number);
    let number = text.and_then(|text| text.parse::<u64>().ok());
    number.is_some_and(|number| number > u64::MAX - 2)
}

#[cfg(test)]
mod tests {
    use super::HeadScan;

    /// Scans a header in pieces of each length. Returns whether it has two framings and a huge length.
    fn scan(head: &str) -> (bool, bool) {
        let result = |length| {
            let mut scan = HeadScan::default();
            for piece in head.as_bytes().chunks(length) {
                scan.read(piece);
            }
            (scan.has_two_framings(), scan.huge_length)
        };
        let whole = result(head.len());
        for length in 1..head.len() {
            assert_eq!(result(length), whole, "{head:?} in pieces of {length}");
        }
        whole
    }

    #[test]
    fn two_framings_are_found() {
        for (head, found) in [
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n",
                true,
            ),
            (
                "\r\n\nPOST / HTTP/1.0\nTRANSFER-ENCODING:x\na: b\ncontent-length:\n\n",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Lengths: 1\r\nTransfer-Encoding: x\r\n\r\n",
                false,
            ),
            // The second belongs to the body, or to the next request.
            (
                "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nTransfer-Encoding: x\r\n",
                false,
            ),
            (
                "nonsense\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n",
                false,
            ),
            (
                "é\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n",
                false,
            ),
        ] {
            assert_eq!(scan(head).0, found, "{head:?}");
        }
    }

    #[test]
    fn lengths_that_hyper_refuses_are_found() {
        for (length, found) in [
            ("0", false),
            ("18446744073709551613", false),
            ("18446744073709551614", true),
            ("18446744073709551615", true),
            ("0018446744073709551615", true),
            ("18446744073709551616", false),
            ("99999999999999999999999999999999999999999", false),
            ("00000000000000000000000000000000000000001", false),
            ("99999999999999999999999x", false),
            ("", false),
        ] {
            let head = format!("POST / HTTP/1.1\r\nContent-Length: {length} \r\n\r\n");
            assert_eq!(scan(&head).1, found, "{length}");
        }
    }
}
