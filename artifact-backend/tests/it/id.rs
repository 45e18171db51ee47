//! The grammar of ids, and the errors of texts that break it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use artifact_backend::{ArtifactId, ParseIdError};
use proptest::prelude::*;

const TEXT: &str = "0123456789abcdef00ff7f80a5c3e1d2";
const BYTES: [u8; 16] = [
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x00, 0xff, 0x7f, 0x80, 0xa5, 0xc3, 0xe1, 0xd2,
];

fn length(found: usize) -> ParseIdError {
    ParseIdError::Length { found }
}

fn not_hex(at: usize, byte: u8) -> ParseIdError {
    ParseIdError::NotHex { at, byte }
}

#[test]
fn ids_print_and_parse_as_32_digits() {
    let id = ArtifactId::from_bytes(BYTES);
    assert_eq!(id.to_string(), TEXT);
    assert_eq!(format!("{id:?}"), format!("ArtifactId({TEXT})"));
    assert_eq!(format!("{id:>34}"), format!("  {TEXT}"));
    assert_eq!(TEXT.parse(), Ok(id));
    assert_eq!(id.as_bytes(), &BYTES);
    assert_eq!(id.encode(&mut [0; ArtifactId::TEXT_LEN]), TEXT);
}

#[test]
fn ids_sort_like_their_texts() {
    let mut ids: Vec<_> = (0..100).map(|_| ArtifactId::mint()).collect();
    ids.sort();
    let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    assert!(texts.is_sorted());
}

/// Hostile inputs that other servers accepted as names.
#[test]
fn invalid_texts_are_rejected_with_the_rule_and_the_position() {
    let digits = |count: usize| "a".repeat(count);
    // Wrong length: paths, encodings, schemes, names of the backend's own files.
    for text in [
        "",
        ".",
        "..",
        "../x",
        "./../x",
        "a/../b",
        "/x",
        "\\..\\x",
        "/etc/passwd",
        "%2e%2e%2f",
        "..%2f..%2f",
        "%252e%252e%252f",
        "#/../../etc",
        "%23",
        ";/../..",
        "?/../..",
        "file:",
        "FILE:",
        "s3:/b/p/../../x",
        "http://169.254.169.254/",
        "%00",
        "\0",
        "\r\n",
        "~",
        "//",
        "staging",
        "artifact-backend-fs.format",
        &digits(31),
        &digits(33),
        &digits(64),
        &digits(256),
        &digits(5_000),
        &format!("{TEXT}/"),
        &format!("/{TEXT}"),
        &format!(" {TEXT}"),
        &format!("{TEXT} "),
        &format!("{TEXT}\n"),
        &format!("{TEXT}\0"),
        &format!("{TEXT}%00"),
        &format!("0x{TEXT}"),
        // 32 characters, but more bytes.
        &format!("{}é", digits(31)),
        &"٠".repeat(32),
        // A UUID in its usual form.
        "01234567-89ab-cdef-00ff-7f80a5c3e1d2",
    ] {
        assert_eq!(
            text.parse::<ArtifactId>(),
            Err(length(text.len())),
            "{text:?}"
        );
    }
    // 32 bytes long, but with a wrong byte.
    let at = |at: usize, put: &str| {
        let mut text = digits(32);
        text.replace_range(at..at + put.len(), put);
        text
    };
    for (text, error) in [
        (at(0, "/"), not_hex(0, b'/')),
        (at(0, "../../etc/passwd"), not_hex(0, b'.')),
        (at(16, "/../../etc/hosts"), not_hex(16, b'/')),
        (at(29, "%2f"), not_hex(29, b'%')),
        (at(31, "/"), not_hex(31, b'/')),
        (at(31, "\\"), not_hex(31, b'\\')),
        (at(31, "\0"), not_hex(31, 0)),
        (at(30, "\r\n"), not_hex(30, b'\r')),
        (at(31, "\n"), not_hex(31, b'\n')),
        (at(0, " "), not_hex(0, b' ')),
        (at(31, " "), not_hex(31, b' ')),
        (at(0, "+"), not_hex(0, b'+')),
        (at(0, "-"), not_hex(0, b'-')),
        (at(1, "x"), not_hex(1, b'x')),
        (at(7, "_"), not_hex(7, b'_')),
        (at(8, "-"), not_hex(8, b'-')),
        // The neighbours of the digits in ASCII.
        (at(5, "/"), not_hex(5, 0x2f)),
        (at(5, ":"), not_hex(5, 0x3a)),
        (at(5, "`"), not_hex(5, 0x60)),
        (at(5, "g"), not_hex(5, b'g')),
        (at(5, "@"), not_hex(5, 0x40)),
        (at(5, "G"), not_hex(5, b'G')),
        // Upper case has its own error. The first wrong byte is reported.
        (at(0, "A"), ParseIdError::UpperCase { at: 0 }),
        (at(31, "F"), ParseIdError::UpperCase { at: 31 }),
        (at(3, "Bg"), ParseIdError::UpperCase { at: 3 }),
        (at(3, "gB"), not_hex(3, b'g')),
        (TEXT.to_uppercase(), ParseIdError::UpperCase { at: 10 }),
        // Look-alikes: a full-width digit, a Cyrillic а, a division slash, a one-dot leader, an
        // RTL mark, a zero-width space, a byte order mark, a combining accent.
        (at(4, "０"), not_hex(4, 0xef)),
        (at(4, "а"), not_hex(4, 0xd0)),
        (at(4, "∕"), not_hex(4, 0xe2)),
        (at(4, "․"), not_hex(4, 0xe2)),
        (at(4, "\u{200f}"), not_hex(4, 0xe2)),
        (at(4, "\u{200b}"), not_hex(4, 0xe2)),
        (at(0, "\u{feff}"), not_hex(0, 0xef)),
        (at(30, "\u{301}"), not_hex(30, 0xcc)),
    ] {
        assert_eq!(text.len(), 32, "{text:?} must have 32 bytes");
        assert_eq!(text.parse::<ArtifactId>(), Err(error), "{text:?}");
    }
}

#[test]
fn names_that_are_not_utf8_are_rejected() {
    let mut name = TEXT.as_bytes().to_vec();
    name[9] = 0xff;
    let name = OsStr::from_bytes(&name);
    let error = ArtifactId::from_ascii(name.as_bytes()).unwrap_err();
    assert_eq!(error, not_hex(9, 0xff));
    assert_eq!(
        ArtifactId::from_ascii(TEXT.as_bytes()),
        Ok(ArtifactId::from_bytes(BYTES))
    );
}

#[test]
fn errors_never_repeat_the_text() {
    let texts = [
        "<script>",
        "0123456789abcdef<script>01234567",
        "0123456789ABCDEF0123456789abcdef",
    ];
    let messages = texts.map(|text| text.parse::<ArtifactId>().unwrap_err().to_string());
    assert_eq!(
        messages,
        [
            "an artifact id has exactly 32 hexadecimal digits, but this text has 8 bytes",
            "an artifact id has the digits 0-9 and a-f only, but byte 16 is 0x3c",
            "an artifact id has lower-case digits only, but byte 10 is in upper case",
        ]
    );
}

#[test]
fn every_byte_of_minted_ids_is_random() {
    let ids: HashSet<_> = (0..1_000).map(|_| ArtifactId::mint()).collect();
    assert_eq!(ids.len(), 1_000);
    for at in 0..ArtifactId::BYTES {
        let values: HashSet<_> = ids.iter().map(|id| id.as_bytes()[at]).collect();
        // 1,000 random bytes have 251 different values on average. A fixed byte has one.
        assert!(values.len() > 150, "byte {at} has {} values", values.len());
    }
}

fn is_valid(text: &[u8]) -> bool {
    text.len() == 32 && text.iter().all(|byte| b"0123456789abcdef".contains(byte))
}

proptest! {
    #[test]
    fn printed_ids_parse_to_themselves(bytes: [u8; 16]) {
        let id = ArtifactId::from_bytes(bytes);
        let text = id.to_string();
        prop_assert!(is_valid(text.as_bytes()), "{}", text);
        prop_assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn parsed_ids_print_as_the_text(text in "[0-9a-f]{32}") {
        let id: ArtifactId = text.parse().unwrap();
        prop_assert_eq!(id.to_string(), text);
    }

    #[test]
    fn bytes_parse_if_and_only_if_they_are_valid(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..70),
            proptest::collection::vec(any::<u8>(), 32),
            "[0-9a-fA-F/.%]{32}".prop_map(String::into_bytes),
            "[0-9a-f]{30,34}".prop_map(String::into_bytes),
        ]
    ) {
        prop_assert_eq!(ArtifactId::from_ascii(&text).is_ok(), is_valid(&text));
    }

    #[test]
    fn invalid_text_never_parses(text in any::<String>()) {
        prop_assume!(!is_valid(text.as_bytes()));
        prop_assert!(text.parse::<ArtifactId>().is_err());
    }

    #[test]
    fn one_wrong_byte_is_reported_with_its_position(at in 0..32_usize, byte: u8) {
        let mut text = *b"0123456789abcdef0123456789abcdef";
        text[at] = byte;
        let expected = match byte {
            b'0'..=b'9' | b'a'..=b'f' => None,
            b'A'..=b'F' => Some(ParseIdError::UpperCase { at }),
            byte => Some(ParseIdError::NotHex { at, byte }),
        };
        prop_assert_eq!(ArtifactId::from_ascii(&text).err(), expected);
    }
}
