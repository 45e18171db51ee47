//! `Content-Digest` and `Repr-Digest` (RFC 9530): those of a deposit are parsed, and checked while the
//! bytes stream; those of responses are written.
//!
//! A deposit has neither a content coding nor a range, so its content is its representation and both
//! fields cover the same bytes.

use artifact_backend::Sha256Digest;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256, Sha512};

pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

pub(crate) const FIELDS: [HeaderName; 2] = [HeaderName::from_static("content-digest"), REPR_DIGEST];

/// RFC 9651, section 4.2.7: padding may be missing, and bits after the last byte may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the value of `Repr-Digest` for an artifact.
pub(crate) fn repr_digest(sha256: &Sha256Digest) -> HeaderValue {
    let digest = general_purpose::STANDARD.encode(sha256.as_bytes());
    HeaderValue::from_str(&format!("sha-256=:{digest}:")).expect("base64 is visible ASCII")
}

/// The error for a field that is not a dictionary of byte sequences.
#[derive(Debug, thiserror::Error)]
#[error("Content-Digest or Repr-Digest is malformed")]
pub(crate) struct Malformed;

/// The digests that the client declared, and the digests of the bytes received so far.
#[derive(Debug)]
pub(crate) struct DigestCheck {
    sha256: Option<(Sha256, Vec<Vec<u8>>)>,
    sha512: Option<(Sha512, Vec<Vec<u8>>)>,
}

impl DigestCheck {
    /// Parses the fields and ignores unsupported algorithms, as section 2 requires. Returns `None` if no
    /// algorithm is supported.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Malformed> {
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
            for (algorithm, digest) in dictionary(&lines.join(&b", "[..])).ok_or(Malformed)? {
                match &*algorithm {
                    b"sha-256" => push(&mut check.sha256, digest),
                    b"sha-512" => push(&mut check.sha512, digest),
                    _ => {}
                }
            }
        }
        let any = check.sha256.is_some() || check.sha512.is_some();
        Ok(any.then_some(check))
    }

    /// Takes out the declared SHA-256 for a caller that hashes the bytes anyway. Returns `None` if it was
    /// not declared, or if several differ or have a wrong length.
    pub(crate) fn take_sha256(&mut self) -> Option<Sha256Digest> {
        let (_, claims) = self.sha256.as_ref()?;
        let (first, others) = claims.split_first()?;
        let sha256 = <[u8; 32]>::try_from(first.as_slice()).ok()?;
        if others.iter().any(|other| other != first) {
            return None;
        }
        self.sha256 = None;
        Some(Sha256Digest::from_bytes(sha256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some((hasher, _)) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some((hasher, _)) = &mut self.sha512 {
            hasher.update(bytes);
        }
    }

    /// Whether all declared digests match.
    pub(crate) fn holds(self) -> bool {
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
/// wins.
fn dictionary(text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut members: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut rest = trim_start(text, b" ");
    while !rest.is_empty() {
        let (key, after) = key(rest)?;
        let (value, after) = byte_sequence(after.strip_prefix(b"=")?)?;
        let after = trim_start(parameters(after)?, b" \t");
        members.retain(|(other, _)| other != key);
        members.push((key.to_owned(), value));
        if after.is_empty() {
            break;
        }
        rest = trim_start(after.strip_prefix(b",")?, b" \t");
        // A comma must be followed by a member.
        if rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

fn key(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let begins = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'*';
    let goes_on = |byte: &u8| begins(byte) || byte.is_ascii_digit() || b"_-.".contains(byte);
    text.first().filter(|byte| begins(byte))?;
    Some(split_while(text, goes_on))
}

fn byte_sequence(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (encoded, rest) = split_while(text.strip_prefix(b":")?, |byte| *byte != b':');
    let value = BASE64.decode(encoded).ok()?;
    Some((value, rest.strip_prefix(b":")?))
}

/// Skips the parameters of a member, which have no meaning here.
fn parameters(mut text: &[u8]) -> Option<&[u8]> {
    while let Some(rest) = text.strip_prefix(b";") {
        let (_, rest) = key(trim_start(rest, b" "))?;
        text = match rest.strip_prefix(b"=") {
            None => rest,
            Some(value) => bare_item(value)?,
        };
    }
    Some(text)
}

/// Skips a bare item: a string, a byte sequence, or an item without delimiters.
fn bare_item(text: &[u8]) -> Option<&[u8]> {
    match text.first()? {
        b':' => byte_sequence(text).map(|(_, rest)| rest),
        b'"' => {
            let mut rest = &text[1..];
            loop {
                rest = match rest.first()? {
                    b'"' => return Some(&rest[1..]),
                    b'\\' if matches!(rest.get(1), Some(b'"' | b'\\')) => &rest[2..],
                    b'\\' => return None,
                    byte if (0x20..0x7f).contains(byte) => &rest[1..],
                    _ => return None,
                };
            }
        }
        _ => {
            let plain =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/?@".contains(byte);
            let (item, rest) = split_while(text, plain);
            (!item.is_empty()).then_some(rest)
        }
    }
}

fn trim_start<'t>(text: &'t [u8], blanks: &[u8]) -> &'t [u8] {
    split_while(text, |byte| blanks.contains(byte)).1
}

fn split_while(text: &[u8], wanted: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !wanted(byte));
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::dictionary;

    /// The digest of RFC 9530, appendix B.1.
    const SHA256: &str = ":RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

    fn keys(text: &str) -> Option<Vec<String>> {
        let members = dictionary(text.as_bytes())?;
        let keys = members.into_iter().map(|(key, _)| key);
        Some(keys.map(|key| String::from_utf8(key).unwrap()).collect())
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
            "sha-256=\"AA==\"",
            "sha-256=(:AA==:)",
            "=:AA==:",
            ",",
        ] {
            assert_eq!(keys(text), None, "{text}");
        }
    }
}
