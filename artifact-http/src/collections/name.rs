//! The name of a file in the path of a request.

use artifact_store::{CollectionPath, InvalidCollectionPath};
use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// What follows `/files/` in a path, decoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameInPath(Result<CollectionPath, InvalidName>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InvalidName {
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    Encoding,
    /// An encoded slash, which other software takes for a separator or for a part of a name.
    EncodedSlash,
    Name(InvalidCollectionPath),
}

impl NameInPath {
    /// Decodes a name. Slashes separate its parts as they are; a part may be percent-encoded.
    pub(crate) fn parse(encoded: &str) -> Self {
        Self(parse(encoded))
    }

    /// Returns the name.
    pub(crate) fn get(self) -> Result<CollectionPath, Problem> {
        self.0.map_err(|invalid| {
            Problem::bad_request(match invalid {
                InvalidName::Encoding => {
                    "the name in the path must be percent-encoded UTF-8".to_owned()
                }
                InvalidName::EncodedSlash => {
                    "the slashes of a name are not percent-encoded in the path".to_owned()
                }
                InvalidName::Name(invalid) => invalid.to_string(),
            })
        })
    }
}

fn parse(encoded: &str) -> Result<CollectionPath, InvalidName> {
    for (percent, _) in encoded.match_indices('%') {
        let digits = encoded.as_bytes().get(percent + 1..percent + 3);
        match digits {
            Some([b'2', b'F' | b'f']) => return Err(InvalidName::EncodedSlash),
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(InvalidName::Encoding),
        }
    }
    let decoded = percent_decode_str(encoded).decode_utf8();
    let decoded = decoded.map_err(|_| InvalidName::Encoding)?;
    decoded.parse().map_err(InvalidName::Name)
}

#[cfg(test)]
mod tests {
    use super::{InvalidName, parse};

    #[test]
    fn names_are_decoded_once() {
        for (encoded, name) in [
            ("a/b.txt", "a/b.txt"),
            ("a%20b", "a b"),
            ("a+b", "a+b"),
            ("%252e%252e/a", "%2e%2e/a"),
            ("%252F", "%2F"),
            ("%C3%A9", "\u{e9}"),
            ("a%25", "a%"),
            ("%61%2Eb", "a.b"),
            ("a%3Fb%23c", "a?b#c"),
        ] {
            assert_eq!(parse(encoded).unwrap().as_str(), name, "{encoded}");
        }
    }

    #[test]
    fn other_paths_have_no_name() {
        for (encoded, expected) in [
            ("a%2Fb", InvalidName::EncodedSlash),
            ("a%2fb", InvalidName::EncodedSlash),
            ("..%2f..%2fetc", InvalidName::EncodedSlash),
            ("a%", InvalidName::Encoding),
            ("a%2", InvalidName::Encoding),
            ("a%zz", InvalidName::Encoding),
            ("a%+1", InvalidName::Encoding),
            ("%FF", InvalidName::Encoding),
            ("%C3", InvalidName::Encoding),
        ] {
            assert_eq!(parse(encoded), Err(expected), "{encoded}");
        }
        for encoded in [
            "..", "%2e%2e", ".%2E/a", "a/../b", "a//b", "/a", "a/", ".", "a/%2e", "a%00b", "a%0A",
            "a%5Cb", "a%7F", "a%C2%85",
        ] {
            assert!(
                matches!(parse(encoded), Err(InvalidName::Name(_))),
                "{encoded}"
            );
        }
    }
}
