//! `Debug` output holds no secret: of each public type that holds one, or holds one that does.

use std::fmt::Debug;

use artifact_store::{Database, LinkSecret, MemoryDatabase};

#[test]
fn debug_output_holds_no_secret() {
    let link = LinkSecret::mint();
    let exposed = link.expose();
    let database = Database::new(MemoryDatabase::new());
    let values: [&dyn Debug; 2] = [&link, &database];
    assert_hidden(&exposed, &values);
    let wrong = format!("{exposed}x").parse::<LinkSecret>().unwrap_err();
    assert_hidden(&exposed, &[&wrong]);
}

#[cfg(feature = "postgres")]
#[test]
fn debug_output_holds_no_password() {
    use artifact_store::DatabaseUrl;

    let url = DatabaseUrl::parse("postgres://user@h.example/name").unwrap();
    let url = url.with_password("canary");
    let error = DatabaseUrl::parse("postgres://user:canary@h.example/name").unwrap_err();
    let values: [&dyn Debug; 2] = [&url, &error];
    assert_hidden("canary", &values);
    assert!(!url.to_string().contains("canary"), "{url}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[track_caller]
fn assert_hidden(secret: &str, values: &[&dyn Debug]) {
    for value in values {
        for shown in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
