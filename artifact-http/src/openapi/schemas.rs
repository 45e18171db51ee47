//! Schemas of what is said and answered.

use serde_json::{Map, Value, json};

use super::reference;
use crate::problem::Type;

/// Ids for examples.
pub(super) const WORKER: &str = "wkr_01jd9v0w7q3k5n8r2t4x6z0abc";
pub(super) const GROUP: &str = "grp_01jd9v0w7q3k5n8r2t4x6z0def";
pub(super) const URI: &str = "eden://artifacts/4f2a9c0de1b83756a0c4d2f19e7b6385";
const TIME: &str = "2026-01-02T03:04:05.000006Z";

/// 26 digits of Crockford's base 32 in lower case.
const DIGITS: &str = "[0-9a-hjkmnp-tv-z]{26}";

/// An object of an answer. Members may be added one day, so others than these are not excluded.
fn answer(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

/// An object of a request: strict, so that a slip of the pen is told (J-1).
fn request(required: &[&str], properties: &Value) -> Value {
    json!({
        "type": "object", "required": required, "properties": properties, "additionalProperties": false,
    })
}

fn id(prefix: &str, example: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}_{DIGITS}$"), "examples": [example] })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time", "description": "RFC 3339 in UTC.", "examples": [TIME] })
}

fn text(what: &str, example: &str) -> Value {
    json!({ "type": "string", "description": what, "examples": [example] })
}

pub(super) fn components() -> Value {
    let mut schemas = Map::new();
    let all = [ids(), workers(), groups(), artifacts()];
    for (name, schema) in all.into_iter().flatten() {
        schemas.insert(name.to_owned(), schema);
    }
    schemas.insert("Problem".to_owned(), problem());
    Value::Object(schemas)
}

type Named = Vec<(&'static str, Value)>;

fn ids() -> Named {
    let name = json!({
        "type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^\S(.*\S)?$",
        "description": "In Unicode normalization form C, without control, private-use and unassigned code points, and without white space at its ends (N-1). A label: many may have it.",
        "examples": ["builder"],
    });
    vec![
        ("WorkerId", id("wkr", WORKER)),
        ("GroupId", id("grp", GROUP)),
        ("MemberId", id("(wkr|grp)", WORKER)),
        ("DisplayName", name),
    ]
}

fn principal() -> Value {
    text("`admin`, or a worker's id.", "admin")
}

fn experiment() -> Value {
    text("The experiment.", "default")
}

fn workers() -> Named {
    let name = reference("schemas", "DisplayName");
    let labels = json!({
        "type": "object", "additionalProperties": { "type": "string" },
        "description": "Texts by text, which nothing here reads.", "examples": [{ "zone": "a" }],
    });
    let worker = json!({
        "worker_id": reference("schemas", "WorkerId"),
        "name": name,
        "experiment_id": experiment(),
        "registered_at": time(),
        "registered_by": principal(),
        "labels": labels,
    });
    let must = [
        "worker_id",
        "experiment_id",
        "registered_at",
        "registered_by",
    ];
    let mut registered = worker.clone();
    registered["registration_token"] = text(
        "The worker's secret: shown this once, and kept by nobody but its owner.",
        "q3Vw0b2mJ8Yx5cR1tK7nD4sF6hL9pZaEuG3iO0wXyQk",
    );
    let registered_must: Vec<_> = must.into_iter().chain(["registration_token"]).collect();
    let whoami = json!({ "worker_id": reference("schemas", "WorkerId"), "name": name });
    vec![
        ("Worker", answer(&must, &worker)),
        ("RegisteredWorker", answer(&registered_must, &registered)),
        ("Workers", list("workers", "Worker")),
        (
            "NewWorker",
            request(&[], &json!({ "name": name, "labels": labels })),
        ),
        ("Whoami", answer(&["worker_id"], &whoami)),
    ]
}

fn groups() -> Named {
    let name = reference("schemas", "DisplayName");
    let members = json!({
        "type": "array", "items": reference("schemas", "MemberId"), "examples": [[WORKER]],
    });
    let must = [
        "group_id",
        "experiment_id",
        "members",
        "created_at",
        "created_by",
    ];
    let group = json!({
        "group_id": reference("schemas", "GroupId"),
        "name": name,
        "experiment_id": experiment(),
        "members": members,
        "created_at": time(),
        "created_by": principal(),
    });
    let member = json!({ "member_id": reference("schemas", "MemberId") });
    vec![
        ("Group", answer(&must, &group)),
        ("Groups", list("groups", "Group")),
        (
            "NewGroup",
            request(&[], &json!({ "name": name, "members": members })),
        ),
        ("NewMember", request(&["member_id"], &member)),
    ]
}

fn artifacts() -> Named {
    let read = json!({
        "experiment_id": experiment(),
        "state": { "const": "running" },
        "created_at": time(),
        "imported_from": { "type": "null" },
    });
    let deposited = json!({
        "artifacts_uri": text("What a fetch is asked by. Opaque.", URI),
        "size_bytes": { "type": "integer", "minimum": 0, "examples": [12345] },
        "content_type": text("As recorded (D-9), and as every fetch will say.", "application/gzip"),
    });
    let file = json!({
        "file": {
            "type": "string", "format": "binary", "contentMediaType": "application/octet-stream",
            "description": "One file upload: it has a filename, and may have a Content-Type of its own (D-1).",
        },
    });
    let read_must = ["experiment_id", "state", "created_at", "imported_from"];
    let deposited_must = ["artifacts_uri", "size_bytes", "content_type"];
    vec![
        ("Experiment", answer(&read_must, &read)),
        ("Deposited", answer(&deposited_must, &deposited)),
        ("File", request(&["file"], &file)),
    ]
}

fn list(member: &str, of: &str) -> Value {
    let items = json!({ "type": "array", "items": reference("schemas", of) });
    answer(&[member], &json!({ member: items }))
}

/// RFC 9457, with the vocabulary out of the one table that answers are made by.
fn problem() -> Value {
    let types: Vec<_> = Type::ALL.iter().map(|kind| kind.uri()).collect();
    let types: Vec<_> = types
        .iter()
        .map(String::as_str)
        .chain(["about:blank"])
        .collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance"],
        "additionalProperties": false,
        "properties": {
            "type": { "enum": types },
            "title": text("What this type means, in short.", "Not found"),
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "examples": [404] },
            "detail": text("What is wrong with this request.", "there is no such artifact"),
            "instance": text("The absolute URL of the request.", "http://127.0.0.1:8080/v0/experiments/default/nothing"),
        },
    })
}
