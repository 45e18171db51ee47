//! Target `artifact_uri`: a URI is exactly its prefix followed by an id.

use artifact_backend::{ArtifactUri, UriPrefix};

/// Uses the text before the first line feed as a prefix and the rest as a URI. Also parses the whole text as
/// a URI with the default prefix. Panics if any of these does not hold:
///
/// - a URI parses exactly if it is the prefix followed by 32 digits of `[0-9a-f]`;
/// - a parsed URI prints as the text it was parsed from;
/// - a prefix is accepted exactly if it is visible ASCII, ends in `/` and has at most 200 bytes.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
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
        "rule and parser disagree on the prefix {prefix:?}"
    );
    if let Ok(prefix) = parsed {
        check_uri(&prefix, uri);
        // A URI that this prefix creates must parse with it.
        if let Some(bytes) = uri.as_bytes().first_chunk::<16>() {
            let created = prefix.uri(artifact_backend::ArtifactId::from_bytes(*bytes));
            assert_eq!(prefix.parse(&created.to_string()), Ok(created));
        }
    }
}

fn check_uri(prefix: &UriPrefix, text: &str) {
    let (head, tail) = text.as_bytes().split_at(text.len().saturating_sub(32));
    let matches_grammar = head == prefix.as_str().as_bytes()
        && tail.len() == 32
        && tail.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match prefix.parse(text) {
        Ok(uri) => {
            assert!(
                matches_grammar,
                "{text:?} does not match the grammar but was accepted"
            );
            assert_eq!(uri.to_string(), text, "a URI prints as another text");
            assert_eq!(uri.id().to_string().as_bytes(), tail);
        }
        Err(_) => assert!(
            !matches_grammar,
            "{text:?} matches the grammar but was rejected"
        ),
    }
}
