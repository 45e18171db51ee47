//! The schemas of ids, with the feature `schemars`.

use artifact_store::{AdministratorId, ExperimentId, GroupId, MemberId, PrincipalId, WorkerId};
use schemars::{JsonSchema, schema_for};

fn schema<T: JsonSchema>() -> serde_json::Value {
    let schema = schema_for!(T).to_value();
    assert_eq!(schema["type"], "string");
    schema
}

#[test]
fn ids_have_the_schema_of_their_text() {
    let pattern = |schema: serde_json::Value| schema["pattern"].as_str().map(str::to_owned);
    let worker = pattern(schema::<WorkerId>()).unwrap();
    assert_eq!(worker, "^wkr_[0-9a-hjkmnp-tv-z]{26}$");
    assert_eq!(
        pattern(schema::<GroupId>()).unwrap(),
        worker.replace("wkr", "grp")
    );
    assert_eq!(
        pattern(schema::<AdministratorId>()).unwrap(),
        worker.replace("wkr", "adm")
    );
    assert_eq!(
        pattern(schema::<MemberId>()).unwrap(),
        worker.replace("wkr", "(wkr|grp)")
    );
    assert_eq!(
        pattern(schema::<ExperimentId>()).unwrap(),
        "^[A-Za-z0-9._~-]{1,128}$"
    );
    assert_eq!(schema::<PrincipalId>()["minLength"], 1);
}
