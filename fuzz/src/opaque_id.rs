//! Target `opaque_id`: nothing off the grammar is an id, and an id is nothing but one plain name.

use std::path::{Component, Path};

use artifact_backend::ArtifactId;

/// Panics where any of these does not hold for `data`:
///
/// - it parses exactly when it is 32 bytes out of `[0-9a-f]` (an oracle of its own, not the
///   parser's code);
/// - what parses prints as what it was parsed from, letter for letter;
/// - the error of what does not parse points into the text, and does not repeat it;
/// - the text of an id is one plain component of a path: it cannot leave any folder;
/// - any 16 bytes print and parse to themselves.
pub fn check(data: &[u8]) {
    let on_grammar = data.len() == 32 && data.iter().all(|b| b"0123456789abcdef".contains(b));
    let parsed = ArtifactId::from_ascii(data);
    assert_eq!(
        parsed.is_ok(),
        on_grammar,
        "grammar and parser disagree on {data:?}"
    );
    if let Ok(text) = str::from_utf8(data) {
        assert_eq!(
            text.parse::<ArtifactId>(),
            parsed,
            "the two parsers disagree on {data:?}"
        );
    }
    match parsed {
        Ok(id) => {
            let text = id.to_string();
            assert_eq!(text.as_bytes(), data, "an id prints as something else");
            contained(&text);
        }
        Err(error) => {
            let message = error.to_string();
            if let Ok(text) = str::from_utf8(data)
                && text.len() > 12
            {
                assert!(
                    !message.contains(text),
                    "the error repeats a stranger's text"
                );
            }
        }
    }
    if let Some(bytes) = data.first_chunk::<16>() {
        let id = ArtifactId::from_bytes(*bytes);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id), "print and parse are no round trip");
        assert_eq!(id.as_bytes(), bytes);
        contained(&text);
    }
}

fn contained(text: &str) {
    assert_eq!(text.len(), ArtifactId::TEXT_LEN);
    let components: Vec<_> = Path::new(text).components().collect();
    assert_eq!(
        components,
        [Component::Normal(text.as_ref())],
        "an id is more than one plain name"
    );
    let joined = Path::new("/root/of/blobs").join(text);
    assert_eq!(
        joined.parent(),
        Some(Path::new("/root/of/blobs")),
        "an id leaves its folder"
    );
}
