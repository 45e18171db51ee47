//! Rows and their parts in JSON and in a binary format, with the feature `serde`.

use artifact_backend::{ArtifactId, Sha256Digest};
use artifact_store::{
    AdministratorId, ContentType, DisplayName, ErrorKind, Experiment, ExperimentId, ExternalId,
    FileName, GroupId, Hold, MemberId, Operation, PrincipalId, Row, Timestamp, WorkerId,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const WORKER: &str = "wkr_01jd9v0w7q3k5n8r2t4x6z0abc";

fn row() -> Row {
    Row::new(
        ArtifactId::from_bytes([0xab; 16]),
        "home".parse().unwrap(),
        WORKER.parse().unwrap(),
        12,
        Sha256Digest::from_bytes([0xcd; 32]),
        "2026-01-02T03:04:05.000006Z".parse().unwrap(),
    )
    .with_content_type(ContentType::clean("text/plain"))
    .with_file_name(FileName::clean("a.txt"))
}

fn json_row() -> Value {
    json!({
        "id": "ab".repeat(16),
        "experiment": "home",
        "created_by": WORKER,
        "size": 12,
        "content_type": "text/plain",
        "file_name": "a.txt",
        "sha256": "cd".repeat(32),
        "created_at": "2026-01-02T03:04:05.000006Z",
        "expires_at": null,
    })
}

#[test]
fn a_row_is_an_object_with_its_fields() {
    assert_eq!(serde_json::to_value(row()).unwrap(), json_row());
    assert_eq!(serde_json::from_value::<Row>(json_row()).unwrap(), row());
    let without_name = row().with_file_name(None);
    let json = serde_json::to_value(&without_name).unwrap();
    assert_eq!(json["file_name"], Value::Null);
    assert_eq!(serde_json::from_value::<Row>(json).unwrap(), without_name);
}

#[test]
fn a_row_that_was_written_without_an_expiry_is_read() {
    let mut json = json_row();
    json.as_object_mut().unwrap().remove("expires_at");
    assert_eq!(serde_json::from_value::<Row>(json).unwrap(), row());
}

#[test]
fn a_row_and_a_hold_keep_their_times() {
    let time: Timestamp = "2026-02-03T04:05:06.000007Z".parse().unwrap();
    let expiring = row().with_expires_at(time);
    let mut json = serde_json::to_value(&expiring).unwrap();
    assert_eq!(json["expires_at"], json!("2026-02-03T04:05:06.000007Z"));
    json["expires_at"] = json!("2026-02-03T04:05:06.000007999Z");
    assert_eq!(serde_json::from_value::<Row>(json).unwrap(), expiring);

    let hold = Hold::new(row().id, PrincipalId::Admin, time);
    let mut json = serde_json::to_value(&hold).unwrap();
    assert_eq!(json["placed_at"], json!("2026-02-03T04:05:06.000007Z"));
    json["placed_at"] = json!("2026-02-03T04:05:06.000007999Z");
    assert_eq!(serde_json::from_value::<Hold>(json).unwrap(), hold);
}

#[test]
fn a_row_in_a_binary_format_has_the_bytes_of_its_ids() {
    let bytes = postcard::to_allocvec(&row()).unwrap();
    assert_eq!(postcard::from_bytes::<Row>(&bytes).unwrap(), row());
    // The length and the 16 bytes of the id.
    assert_eq!(bytes[..17], [&[16], &[0xab; 16][..]].concat());
    assert!(bytes.windows(32).any(|window| window == [0xcd; 32]));
}

#[test]
fn times_are_truncated_to_microseconds() {
    let mut json = json_row();
    json["created_at"] = json!("2026-01-02T03:04:05.000006999Z");
    assert_eq!(serde_json::from_value::<Row>(json).unwrap(), row());
    let experiment = Experiment::new("home".parse().unwrap(), Timestamp::UNIX_EPOCH);
    let json = json!({ "id": "home", "created_at": "1970-01-01T00:00:00.000000999Z" });
    assert_eq!(
        serde_json::from_value::<Experiment>(json).unwrap(),
        experiment
    );
}

#[test]
fn a_row_with_an_unsafe_field_is_refused() {
    for (field, value) in [
        ("id", json!("AB".repeat(16))),
        ("experiment", json!("..")),
        ("created_by", json!("")),
        ("size", json!(-1)),
        ("content_type", json!("text/plain\r\nset-cookie: a")),
        ("content_type", json!("")),
        ("file_name", json!("../passwd")),
        ("file_name", json!("gpj.\u{202e}exe")),
        ("sha256", json!("cd")),
        ("created_at", json!("yesterday")),
    ] {
        let mut json = json_row();
        json[field] = value.clone();
        let read = serde_json::from_value::<Row>(json);
        assert!(read.is_err(), "{field} = {value}");
    }
}

fn round_trip<T: serde::Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: &T,
    text: &str,
) {
    let json = serde_json::to_value(value).unwrap();
    assert_eq!(json, text);
    assert_eq!(serde_json::from_value::<T>(json).unwrap(), *value);
    assert!(serde_json::from_value::<T>(json!("\u{0}")).is_err());
}

#[test]
fn ids_and_names_are_text_that_is_checked() {
    round_trip(&WORKER.parse::<WorkerId>().unwrap(), WORKER);
    let group = WORKER.replace("wkr", "grp");
    round_trip(&group.parse::<GroupId>().unwrap(), &group);
    round_trip(&group.parse::<MemberId>().unwrap(), &group);
    let administrator = WORKER.replace("wkr", "adm");
    round_trip(
        &administrator.parse::<AdministratorId>().unwrap(),
        &administrator,
    );
    round_trip(
        &administrator.parse::<PrincipalId>().unwrap(),
        &administrator,
    );
    round_trip(&PrincipalId::Admin, "admin");
    let alice: ExternalId = "alice@example.com".parse().unwrap();
    round_trip(&alice, "alice@example.com");
    round_trip(&PrincipalId::External(alice), "alice@example.com");
    round_trip(&"home".parse::<ExperimentId>().unwrap(), "home");
    round_trip(&"Köln 7".parse::<DisplayName>().unwrap(), "Köln 7");
    round_trip(&ContentType::default(), "application/octet-stream");
}

#[test]
fn kinds_are_words() {
    round_trip(&ErrorKind::DigestMismatch, "digest_mismatch");
    round_trip(&Operation::FindRow, "find_row");
}
