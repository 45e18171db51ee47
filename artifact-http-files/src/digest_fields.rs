//! `Content-Digest` and `Repr-Digest` (RFC 9530): those of a deposit are parsed, and checked while the
//! bytes stream; those of responses are written.
//!
//! A deposit has neither a content coding nor a range, so its content is its representation and both
//! fields cover the same bytes.

use artifact_backend::Sha256Digest;
use base64::Engine;
use base64::engine::general_purpose;
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};
use sha2::{Digest, Sha256, Sha512};

/// The digest of a representation: of the whole artifact, also on a 206 (RFC 9530, section 3).
pub const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The digest of the content of one message (RFC 9530, section 2).
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

pub(crate) const FIELDS: [HeaderName; 2] = [CONTENT_DIGEST, REPR_DIGEST];

/// Returns the value of [`REPR_DIGEST`] or [`CONTENT_DIGEST`] for these bytes: `sha-256=:...:`.
///
/// # Panics
///
/// Never: base64 is valid in a header field.
pub fn digest_value(sha256: &Sha256Digest) -> HeaderValue {
    let digest = general_purpose::STANDARD.encode(sha256.as_bytes());
    HeaderValue::from_str(&format!("sha-256=:{digest}:")).expect("base64 is visible ASCII")
}

/// The error for a field that is not a dictionary of byte sequences.
#[derive(Debug, thiserror::Error)]
#[error("Content-Digest or Repr-Digest is malformed")]
pub struct MalformedDigest;

/// The digests that the client declared, and the digests of the bytes received so far.
///
/// `sha-256` and `sha-512` are supported. Call [`update`](Self::update) with every piece of the content, and
/// [`holds`](Self::holds) at its end, before the deposit is finished.
#[derive(Debug)]
pub struct DigestCheck {
    sha256: Option<(Sha256, Vec<Vec<u8>>)>,
    sha512: Option<(Sha512, Vec<Vec<u8>>)>,
}

impl DigestCheck {
    /// Parses `Content-Digest` and `Repr-Digest` and ignores unsupported algorithms, as RFC 9530, section 2
    /// requires. Returns `None` if no algorithm is supported.
    ///
    /// # Errors
    ///
    /// [`MalformedDigest`] if a field is not a dictionary of byte sequences (RFC 9651).
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, MalformedDigest> {
        let mut check = Self {
            sha256: None,
            sha512: None,
        };
        for field in FIELDS {
            let lines: Vec<&[u8]> = headers
                .get_all(&field)
                .iter()
                .map(HeaderValue::as_bytes)
                .collect();
            // RFC 9651, section 4.2: several lines are one field.
            for (algorithm, digest) in dictionary(&lines.join(&b", "[..])).ok_or(MalformedDigest)? {
                match &*algorithm {
                    "sha-256" => push(&mut check.sha256, digest),
                    "sha-512" => push(&mut check.sha512, digest),
                    _ => {}
                }
            }
        }
        let any = check.sha256.is_some() || check.sha512.is_some();
        Ok(any.then_some(check))
    }

    /// Takes out the declared SHA-256 for a caller that hashes the bytes anyway; see
    /// [`NewArtifact::with_sha256`](artifact_store::NewArtifact::with_sha256). Returns `None` if it was
    /// not declared, or if several differ or have a wrong length.
    pub fn take_sha256(&mut self) -> Option<Sha256Digest> {
        let (_, claims) = self.sha256.as_ref()?;
        let (first, others) = claims.split_first()?;
        let sha256 = <[u8; 32]>::try_from(first.as_slice()).ok()?;
        if others.iter().any(|other| other != first) {
            return None;
        }
        self.sha256 = None;
        Some(Sha256Digest::from_bytes(sha256))
    }

    /// Returns the declared digests with the names of their algorithms.
    pub fn claims(&self) -> Vec<(&'static str, Vec<u8>)> {
        let sha256 = self.sha256.iter().flat_map(|(_, claims)| claims);
        let sha512 = self.sha512.iter().flat_map(|(_, claims)| claims);
        let named = |name| move |claim: &Vec<u8>| (name, claim.clone());
        let claims = sha256.map(named("sha-256"));
        claims.chain(sha512.map(named("sha-512"))).collect()
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some((hasher, _)) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some((hasher, _)) = &mut self.sha512 {
            hasher.update(bytes);
        }
    }

    /// Returns whether all declared digests match.
    pub fn holds(self) -> bool {
        matches(self.sha256) && matches(self.sha512)
    }
}

fn push<D: Digest>(claims: &mut Option<(D, Vec<Vec<u8>>)>, digest: Vec<u8>) {
    let (_, claims) = claims.get_or_insert_with(|| (D::new(), Vec::new()));
    claims.push(digest);
}

fn matches<D: Digest>(claims: Option<(D, Vec<Vec<u8>>)>) -> bool {
    claims.is_none_or(|(hasher, claims)| {
        let found = hasher.finalize();
        claims.iter().all(|claim| claim[..] == found[..])
    })
}

/// Parses a dictionary (RFC 9651, section 4.2.2) of byte sequences. The last value of a duplicate key
/// wins. Parameters must be well-formed, and have no meaning here.
fn dictionary(text: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let members: Dictionary = Parser::new(text).parse().ok()?;
    let members = members.into_iter().map(|(key, member)| match member {
        ListEntry::Item(Item {
            bare_item: BareItem::ByteSequence(value),
            ..
        }) => Some((key.into(), value)),
        _ => None,
    });
    members.collect()
}

#[cfg(test)]
mod tests {
    use super::dictionary;

    /// The digest of RFC 9530, appendix B.1.
    const SHA256: &str = ":RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

    fn keys(text: &str) -> Option<Vec<String>> {
        let members = dictionary(text.as_bytes())?;
        Some(members.into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn dictionaries_of_byte_sequences_are_parsed() {
        for (text, found) in [
            (String::new(), vec![]),
            (format!("sha-256={SHA256}"), vec!["sha-256"]),
            (
                format!("sha-256={SHA256} \t,\t sha-512=::"),
                vec!["sha-256", "sha-512"],
            ),
            (format!("sha-256={SHA256}, sha-256=:AA==:"), vec!["sha-256"]),
            ("*x_1.y-z*=:AA:".into(), vec!["*x_1.y-z*"]),
            (
                "a=:AA==:;b;c=1;d=\"q\\\"q\";e=?1; f=:AA==:;g=tok/en".into(),
                vec!["a"],
            ),
        ] {
            assert_eq!(keys(&text).unwrap(), found, "{text}");
        }
        let members = dictionary(b"sha-256=:AA==:, sha-256=:AQ==:").unwrap();
        assert_eq!(members[0].1, [1], "the last value wins");
    }

    #[test]
    fn other_texts_are_malformed() {
        for text in [
            "sha-256",
            "sha-256=",
            "sha-256=abc",
            "sha-256=:abc",
            "sha-256=:a b:",
            "sha-256=:AA==:,",
            "sha-256=:AA==:,,x=:AA==:",
            "sha-256=:AA==: x=:AA==:",
            "SHA-256=:AA==:",
            "1a=:AA==:",
            "sha-256 =:AA==:",
            "sha-256=:AA==:;",
            "sha-256=:AA==:;A=1",
            "sha-256=:AA==:;a=",
            "sha-256=:AA==:;a=\"x",
            "sha-256=:AA==:;a=\"\\x\"",
            "sha-256=:AA==:;a=1.",
            "sha-256=:AA==:;a=?2",
            "sha-256=:AA==:;a=-",
            "sha-256=:AA==:;a=a^b@c",
            "sha-256=\"AA==\"",
            "sha-256=(:AA==:)",
            "=:AA==:",
            ",",
        ] {
            assert_eq!(keys(text), None, "{text}");
        }
    }
}
