//! `Want-Repr-Digest` and `Want-Content-Digest` (RFC 9530, section 4): which digest the other side prefers.

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};

/// The field in which a client says which digest of the representation it wants, and a server which it accepts.
pub const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// The field in which a client says which digest of the content it wants, and a server which it accepts.
pub const WANT_CONTENT_DIGEST: HeaderName = HeaderName::from_static("want-content-digest");

/// An algorithm of the registry of RFC 9530 that these blocks know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// `sha-256`, which a store records with each artifact.
    Sha256,
    /// `sha-512`, which [`DigestCheck`](crate::DigestCheck) verifies too.
    Sha512,
}

/// Returns the known algorithm that the field prefers most; of two with the same preference, SHA-256. Returns `None` if
/// there is no field, it is malformed, or it wants no known algorithm: a server may then send any digest (section 4).
pub fn wanted_digest(headers: &HeaderMap, field: &HeaderName) -> Option<DigestAlgorithm> {
    let lines: Vec<&[u8]> = headers
        .get_all(field)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let members: Dictionary = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    let weight = |name: &str| match members.get(name) {
        Some(ListEntry::Item(Item {
            bare_item: BareItem::Integer(weight),
            ..
        })) => i64::from(*weight),
        _ => 0,
    };
    let (sha256, sha512) = (weight("sha-256"), weight("sha-512"));
    // Zero is "not acceptable".
    if sha512 > sha256 {
        Some(DigestAlgorithm::Sha512)
    } else {
        (sha256 > 0).then_some(DigestAlgorithm::Sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_preferred_known_algorithm_wins() {
        use DigestAlgorithm::{Sha256, Sha512};
        for (value, wanted) in [
            ("sha-256=10", Some(Sha256)),
            ("sha-256=1, sha-512=3", Some(Sha512)),
            ("sha-512=3, sha-256=3", Some(Sha256)),
            ("sha-256=0, sha-512=1", Some(Sha512)),
            ("sha-256=0", None),
            ("md5=10, unixsum=1", None),
            ("sha-256=10;q=1, md5=1", Some(Sha256)),
            ("sha-256", None),
            ("sha-256=:AA==:", None),
            ("sha-256=1,", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(WANT_REPR_DIGEST, HeaderValue::from_static(value));
            assert_eq!(
                wanted_digest(&headers, &WANT_REPR_DIGEST),
                wanted,
                "{value}"
            );
            assert_eq!(wanted_digest(&headers, &WANT_CONTENT_DIGEST), None);
        }
    }
}
