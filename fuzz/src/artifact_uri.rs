//! Target `artifact_uri`: a URI is exactly a prefix and an id.

use artifact_backend::{ArtifactUri, UriPrefix};

/// Checks one input. The text before the first line feed is a prefix, the rest a URI. The whole input is
/// also parsed with the default prefix.
///
/// # Panics
///
/// If one of these rules is broken:
///
/// - a URI parses if and only if it is the prefix followed by 32 digits of `[0-9a-f]`;
/// - a parsed URI prints as the text that it was parsed from;
/// - a prefix is accepted if and only if it is visible ASCII, ends in `/` and has at most 200 bytes.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    check_uri(&UriPrefix::default(), text);
    assert_eq!(
        text.parse::<ArtifactUri>().is_ok(),
        UriPrefix::default().parse(text).is_ok()
    );
    let Some((prefix, uri)) = text.split_once('\n') else {
        return;
    };
    let valid = prefix.len() <= 200
        && prefix.as_bytes().last() == Some(&b'/')
        && prefix.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    let parsed = UriPrefix::new(prefix);
    assert_eq!(
        parsed.is_ok(),
        valid,
        "the rule and the parser disagree on the prefix {prefix:?}"
    );
    if let Ok(prefix) = parsed {
        check_uri(&prefix, uri);
        // A URI made with this prefix must parse with it.
        if let Some(bytes) = uri.as_bytes().first_chunk::<16>() {
            let made = prefix.uri(artifact_backend::ArtifactId::from_bytes(*bytes));
            assert_eq!(prefix.parse(&made.to_string()), Ok(made));
        }
    }
}

fn check_uri(prefix: &UriPrefix, text: &str) {
    let (head, tail) = text.as_bytes().split_at(text.len().saturating_sub(32));
    let valid_uri = head == prefix.as_str().as_bytes()
        && tail.len() == 32
        && tail.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match prefix.parse(text) {
        Ok(uri) => {
            assert!(valid_uri, "the parser accepted the invalid URI {text:?}");
            assert_eq!(
                uri.to_string(),
                text,
                "the printed URI differs from the parsed text"
            );
            assert_eq!(uri.id().to_string().as_bytes(), tail);
        }
        Err(_) => assert!(!valid_uri, "the parser rejected the valid URI {text:?}"),
    }
}
