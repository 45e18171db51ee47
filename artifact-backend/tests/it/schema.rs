//! The schemas of the text forms, with the feature `schemars`.

use artifact_backend::{ArtifactId, ArtifactUri, Sha256Digest, StoreId, UriPrefix};
use schemars::{JsonSchema, schema_for};

fn pattern<T: JsonSchema>() -> String {
    let schema = schema_for!(T).to_value();
    assert_eq!(schema["type"], "string");
    assert!(schema["description"].is_string());
    schema["pattern"].as_str().unwrap().to_owned()
}

#[test]
fn ids_have_the_schema_of_their_text() {
    assert_eq!(pattern::<ArtifactId>(), "^[0-9a-f]{32}$");
    assert_eq!(pattern::<StoreId>(), "^store-[0-9a-f]{32}$");
    assert_eq!(pattern::<Sha256Digest>(), "^[0-9a-f]{64}$");
    assert_eq!(pattern::<UriPrefix>(), "^[!-~]{0,199}/$");
    assert_eq!(pattern::<ArtifactUri>(), "^[!-~]{0,199}/[0-9a-f]{32}$");
}

#[test]
fn a_struct_of_the_program_refers_to_the_schemas() {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only the schema is used")]
    struct Request {
        id: ArtifactId,
        uri: ArtifactUri,
    }

    let schema = schema_for!(Request).to_value();
    assert_eq!(schema["properties"]["id"]["$ref"], "#/$defs/ArtifactId");
    assert_eq!(schema["$defs"]["ArtifactUri"]["type"], "string");
}
