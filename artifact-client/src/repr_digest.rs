//! Digest fields (RFC 9530): `Repr-Digest` of responses, the digest that the server recorded when the
//! artifact was deposited, and `Content-Digest` of a deposit.

use artifact_backend::Sha256Digest;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

/// Base64 with or without padding, as RFC 8941, section 4.2.7 requires of a parser.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the field value for a SHA-256.
pub(crate) fn field_value(sha256: &Sha256Digest) -> String {
    let digest = general_purpose::STANDARD.encode(sha256.as_bytes());
    format!("sha-256=:{digest}:")
}

/// Returns the SHA-256 in a header value, `None` if it has none, or `Err` if it is malformed.
///
/// The value is a dictionary (RFC 8941, section 3.2) of byte sequences. Base64 has no comma and no
/// semicolon, so splitting at them is exact. If a key appears twice, its last value counts.
pub(crate) fn sha256(value: &str) -> Result<Option<Sha256Digest>, ()> {
    let members = value.split(',').map(|m| m.trim_matches([' ', '\t']));
    let Some(sequence) = members
        .filter_map(|m| m.strip_prefix("sha-256="))
        .next_back()
    else {
        return Ok(None);
    };
    let sequence = sequence.split(';').next().unwrap_or_default();
    let text = sequence
        .strip_prefix(':')
        .and_then(|text| text.strip_suffix(':'))
        .ok_or(())?;
    let bytes = BASE64.decode(text).map_err(drop)?;
    let bytes = bytes.try_into().map_err(drop)?;
    Ok(Some(Sha256Digest::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn the_sha256_is_found_among_other_members() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = Some(hex.parse().unwrap());
        for value in [
            format!("sha-256=:{EMPTY}:"),
            format!("sha-512=:AAAA:,\tsha-256=:{EMPTY}:;p=1 "),
            format!("sha-256=:AAAA:, sha-256=:{}:", EMPTY.trim_end_matches('=')),
        ] {
            assert_eq!(sha256(&value), Ok(digest), "{value}");
        }
        assert_eq!(sha256("sha-512=:AAAA:"), Ok(None));
        assert_eq!(sha256(""), Ok(None));
    }

    #[test]
    fn malformed_sha256_values_are_an_error() {
        for value in [
            "sha-256=",
            "sha-256=:AAAA:",
            "sha-256=:****:",
            "sha-256=abc",
        ] {
            assert_eq!(sha256(value), Err(()), "{value}");
        }
    }
}
