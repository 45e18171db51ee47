//! Checks that do not speak of one answer alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

/// The SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// `sha-256=:...:` (RFC 9530).
pub(crate) fn sha256_field(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

/// `sha-512=:...:` (RFC 9530).
pub(crate) fn sha512_field(bytes: &[u8]) -> String {
    format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(bytes)))
}

/// Whether this is an id of the given kind: `wkr` or `grp`, and 26 characters of Crockford's base 32
/// in lower case.
pub(crate) fn is_id(text: &str, kind: &str) -> bool {
    let digits = text
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix('_'));
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z');
    digits.is_some_and(|digits| digits.len() == 26 && digits.bytes().all(is_digit))
}

/// Whether this is a time of RFC 3339 in UTC, with `Z`.
pub(crate) fn is_utc(text: &str) -> bool {
    text.ends_with('Z') && text.contains('T') && text.parse::<jiff::Timestamp>().is_ok()
}
