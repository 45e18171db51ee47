//! The text forms in JSON, with the feature `serde`.

use artifact_backend::{ArtifactId, Sha256Digest, UriPrefix};

const ID: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn ids_serialize_as_text() {
    let id: ArtifactId = ID.parse().unwrap();
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, format!("\"{ID}\""));
    assert_eq!(serde_json::from_str::<ArtifactId>(&json).unwrap(), id);
    // Also if the text cannot be borrowed from the input.
    let escaped = format!("\"\\u0030{}\"", &ID[1..]);
    assert_eq!(serde_json::from_str::<ArtifactId>(&escaped).unwrap(), id);
    let read = serde_json::from_reader::<_, ArtifactId>(json.as_bytes()).unwrap();
    assert_eq!(read, id);
}

#[test]
fn invalid_ids_are_rejected_without_repeating_them() {
    for (json, message) in [
        (
            "\"<script>\"",
            "an artifact id has exactly 32 hexadecimal digits, but this text has 8 bytes",
        ),
        (
            "17",
            "invalid type: integer `17`, expected 32 lower-case hexadecimal digits",
        ),
        (
            "null",
            "invalid type: null, expected 32 lower-case hexadecimal digits",
        ),
        (
            "[0,1]",
            "invalid type: sequence, expected 32 lower-case hexadecimal digits",
        ),
    ] {
        let error = serde_json::from_str::<ArtifactId>(json)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{json}: {error}");
    }
}

#[test]
fn digests_serialize_as_text() {
    let digest = Sha256Digest::from_bytes([0xa5; 32]);
    let json = serde_json::to_string(&digest).unwrap();
    assert_eq!(json, format!("\"{}\"", "a5".repeat(32)));
    assert_eq!(serde_json::from_str::<Sha256Digest>(&json).unwrap(), digest);
    let error = serde_json::from_str::<Sha256Digest>("\"a5\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("a SHA-256 digest has exactly 64"),
        "{error}"
    );
}

#[test]
fn uris_serialize_as_text() {
    let uri = UriPrefix::default().uri(ID.parse().unwrap());
    let json = serde_json::to_value(&uri).unwrap();
    assert_eq!(json, format!("eden://artifacts/{ID}"));
}
