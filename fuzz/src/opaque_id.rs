//! Target `opaque_id`: only text of the grammar is an id, and an id is always one plain file name.

use std::path::{Component, Path};

use artifact_backend::ArtifactId;

/// Panics if any of these does not hold for `data`:
///
/// - it parses exactly if it is 32 bytes of `[0-9a-f]`, according to an oracle that is independent of the
///   parser;
/// - a parsed id prints as the text it was parsed from;
/// - a parse error does not repeat the text;
/// - the text of an id is one plain path component, so it cannot leave its folder;
/// - an id of any 16 bytes prints and parses to itself.
pub fn check(data: &[u8]) {
    let matches_grammar = data.len() == 32 && data.iter().all(|b| b"0123456789abcdef".contains(b));
    let parsed = ArtifactId::from_ascii(data);
    assert_eq!(
        parsed.is_ok(),
        matches_grammar,
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
            assert_eq!(text.as_bytes(), data, "an id prints as another text");
            assert_one_component(&text);
        }
        Err(error) => {
            let message = error.to_string();
            if let Ok(text) = str::from_utf8(data)
                && text.len() > 12
            {
                assert!(!message.contains(text), "the error repeats untrusted text");
            }
        }
    }
    if let Some(bytes) = data.first_chunk::<16>() {
        let id = ArtifactId::from_bytes(*bytes);
        let text = id.to_string();
        assert_eq!(
            text.parse(),
            Ok(id),
            "an id does not parse from its own text"
        );
        assert_eq!(id.as_bytes(), bytes);
        assert_one_component(&text);
    }
}

fn assert_one_component(text: &str) {
    assert_eq!(text.len(), ArtifactId::TEXT_LEN);
    let components: Vec<_> = Path::new(text).components().collect();
    assert_eq!(
        components,
        [Component::Normal(text.as_ref())],
        "an id is not one plain path component"
    );
    let joined = Path::new("/root/of/blobs").join(text);
    assert_eq!(
        joined.parent(),
        Some(Path::new("/root/of/blobs")),
        "an id leaves its folder"
    );
}
