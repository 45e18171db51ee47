//! Target `artifact_uri`: a URI is its prefix and an id, letter for letter, and nothing else.

use artifact_backend::{ArtifactUri, UriPrefix};

/// The text before the first line feed is a prefix, the rest a URI; both are also taken whole with
/// the default prefix. Panics where any of these does not hold:
///
/// - a URI parses exactly when it is the prefix followed by 32 digits out of `[0-9a-f]`;
/// - what parses prints as what it was parsed from;
/// - a prefix is taken exactly when it is visible ASCII, ends in `/` and has 200 bytes at most.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    agree(&UriPrefix::default(), text);
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
        agree(&prefix, uri);
        // What this prefix made must come back through it, whatever it is.
        if let Some(bytes) = uri.as_bytes().first_chunk::<16>() {
            let made = prefix.uri(artifact_backend::ArtifactId::from_bytes(*bytes));
            assert_eq!(prefix.parse(&made.to_string()), Ok(made));
        }
    }
}

fn agree(prefix: &UriPrefix, text: &str) {
    let (head, tail) = text.as_bytes().split_at(text.len().saturating_sub(32));
    let on_grammar = head == prefix.as_str().as_bytes()
        && tail.len() == 32
        && tail.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match prefix.parse(text) {
        Ok(uri) => {
            assert!(on_grammar, "{text:?} is off the grammar and was taken");
            assert_eq!(uri.to_string(), text, "a URI prints as something else");
            assert_eq!(uri.id().to_string().as_bytes(), tail);
        }
        Err(_) => assert!(!on_grammar, "{text:?} is on the grammar and was refused"),
    }
}
