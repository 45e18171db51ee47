//! The text form of digests.

use artifact_backend::Sha256Digest;
use proptest::prelude::*;

/// FIPS 180-4: the digest of the empty string.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn digests_print_and_parse_as_64_digits() {
    let digest: Sha256Digest = EMPTY.parse().unwrap();
    assert_eq!(digest.as_bytes()[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    assert_eq!(digest.to_string(), EMPTY);
    assert_eq!(format!("{digest:?}"), format!("Sha256Digest({EMPTY})"));
    assert_eq!(Sha256Digest::from_bytes(*digest.as_bytes()), digest);
}

#[test]
fn invalid_digests_are_rejected() {
    for text in [
        "",
        &EMPTY[1..],
        &format!("{EMPTY}0"),
        &EMPTY.to_uppercase(),
        &EMPTY.replace("e3b0", "e3 0"),
        &EMPTY.replace("e3b0", "g3b0"),
        &format!("sha256:{}", &EMPTY[7..]),
    ] {
        let error = text.parse::<Sha256Digest>().unwrap_err();
        let message = "a SHA-256 digest has exactly 64 lower-case hexadecimal digits";
        assert_eq!(error.to_string(), message, "{text:?}");
    }
}

proptest! {
    #[test]
    fn printed_digests_parse_to_themselves(bytes: [u8; 32]) {
        let digest = Sha256Digest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn text_parses_if_and_only_if_it_is_valid(text in "[0-9a-fA-Fg]{63,65}") {
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let expected = text.len() == 64 && text.chars().all(digit);
        prop_assert_eq!(text.parse::<Sha256Digest>().is_ok(), expected);
    }
}
