//! Target `opaque_id`: only valid texts parse as ids, and an id is a single path component.

use std::path::{Component, Path};

use artifact_backend::{ArtifactId, ParseIdError};

/// Checks one input.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - the input parses if and only if it is 32 bytes of `[0-9a-f]`, by a check that is independent of the
///   parser;
/// - a parsed id prints as the text that it was parsed from;
/// - an error does not repeat the text;
/// - the text of an id is one normal path component, so it cannot leave any folder;
/// - any 16 bytes print and parse to themselves.
pub fn check(data: &[u8]) {
    let valid = data.len() == 32 && data.iter().all(|b| b"0123456789abcdef".contains(b));
    let parsed = ArtifactId::from_ascii(data);
    assert_eq!(
        parsed.is_ok(),
        valid,
        "the grammar and the parser disagree on {data:?}"
    );
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(
            text.parse::<ArtifactId>(),
            parsed,
            "the two parsers disagree on {data:?}"
        );
    }
    match parsed {
        Ok(id) => {
            let text = id.to_string();
            assert_eq!(
                text.as_bytes(),
                data,
                "the printed id differs from the parsed text"
            );
            check_path(&text);
        }
        Err(error) => {
            // Another text that breaks the same rule at the same place has the same message.
            let other = match error {
                ParseIdError::UpperCase { at } | ParseIdError::NotHex { at, .. } => {
                    let mut other = vec![b'0'; data.len()];
                    other[at] = data[at];
                    other
                }
                _ => vec![b'~'; data.len()],
            };
            let other = ArtifactId::from_ascii(&other).expect_err("it breaks the same rule");
            assert_eq!(
                error.to_string(),
                other.to_string(),
                "the error repeats a part of the text"
            );
        }
    }
    if let Some(bytes) = data.first_chunk::<16>() {
        let id = ArtifactId::from_bytes(*bytes);
        let text = id.to_string();
        assert_eq!(
            text.parse(),
            Ok(id),
            "parsing the printed id returns a different id"
        );
        assert_eq!(id.as_bytes(), bytes);
        check_path(&text);
    }
}

fn check_path(text: &str) {
    assert_eq!(text.len(), ArtifactId::TEXT_LEN);
    let components: Vec<_> = Path::new(text).components().collect();
    assert_eq!(
        components,
        [Component::Normal(text.as_ref())],
        "the id is not a single path component"
    );
    let joined = Path::new("/root/of/blobs").join(text);
    assert_eq!(
        joined.parent(),
        Some(Path::new("/root/of/blobs")),
        "the id leaves its folder"
    );
}
