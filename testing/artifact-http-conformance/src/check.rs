//! Checks and digests that several scenarios use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

/// Returns the SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// Returns the field value `sha-256=:...:` (RFC 9530).
pub(crate) fn sha256_field(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

/// Returns the field value `sha-512=:...:` (RFC 9530).
pub(crate) fn sha512_field(bytes: &[u8]) -> String {
    format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(bytes)))
}

/// Returns whether `text` is an id of the kind `wkr` or `grp`: the kind, `_` and 26 characters of
/// Crockford's base 32 in lower case.
pub(crate) fn is_id(text: &str, kind: &str) -> bool {
    let digits = text
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix('_'));
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z');
    digits.is_some_and(|digits| digits.len() == 26 && digits.bytes().all(is_digit))
}

/// Returns whether `text` is an RFC 3339 time in UTC, with `Z`.
pub(crate) fn is_utc(text: &str) -> bool {
    text.ends_with('Z') && text.contains('T') && text.parse::<jiff::Timestamp>().is_ok()
}
