//! Parameters of paths, queries and headers.

use serde_json::{Value, json};

use super::reference;

/// Those of every operation on this path under an experiment.
pub(super) fn of_path(path: &str) -> Value {
    let names = ["E", "ExperimentHeader", "RequestId"];
    let ids = ["W", "G", "M"]
        .into_iter()
        .filter(|id| path.contains(&format!("{{{id}}}")));
    let all = names.into_iter().chain(ids);
    all.map(|name| reference("parameters", name)).collect()
}

fn in_path(name: &str, schema: &Value, example: &str, what: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": what, "schema": schema, "example": example,
    })
}

fn in_header(name: &str, example: &str, what: &str) -> Value {
    json!({
        "name": name, "in": "header", "required": false, "description": what,
        "schema": { "type": "string" }, "example": example,
    })
}

pub(super) fn components() -> Value {
    let etag = "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";
    let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    json!({
        "E": in_path(
            "E",
            &json!({ "type": "string", "minLength": 1, "maxLength": 128 }),
            "default",
            "The experiment, an opaque name.",
        ),
        "W": in_path("W", &reference("schemas", "WorkerId"), super::schemas::WORKER, "A worker's id."),
        "G": in_path("G", &reference("schemas", "GroupId"), super::schemas::GROUP, "A group's id."),
        "M": in_path(
            "M",
            &reference("schemas", "MemberId"),
            super::schemas::WORKER,
            "The id of a worker or of a group. It need not exist.",
        ),
        "ExperimentHeader": {
            "name": "X-Eden-Experiment-Id", "in": "header", "required": true,
            "description": "The path's experiment once more, byte for byte (E-1).",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            "example": "default",
        },
        "RequestId": {
            "name": "X-Request-Id", "in": "header", "required": false,
            "description": "An id for the log, of 1 to 128 of `A-Z a-z 0-9 - . _ ~`. It comes back; a fresh one does where this is another text (C-8).",
            "schema": { "type": "string" },
            "example": "7f3c1a9e",
        },
        "Name": {
            "name": "name", "in": "query", "required": false,
            "description": "Only those of exactly this display name, letter for letter.",
            "schema": { "type": "string" },
            "example": "builder",
        },
        "Uri": {
            "name": "uri", "in": "query", "required": true,
            "description": "The URI of a deposit, whole and percent-encoded (F-1). It is never taken apart by clients.",
            "schema": { "type": "string" },
            "example": super::schemas::URI,
        },
        "Range": in_header("Range", "bytes=0-1023", "One range of `bytes`; others are ignored (F-12)."),
        "IfMatch": in_header("If-Match", etag, "412 where the artifact is none of these, by strong comparison (F-10)."),
        "IfNoneMatch": in_header("If-None-Match", etag, "304 where the artifact is one of these (F-10)."),
        "IfRange": in_header("If-Range", etag, "`Range` counts only where the artifact is this one (F-10)."),
        "ContentDigest": in_header("Content-Digest", digest, "RFC 9530, of the content; verified (D-12)."),
        "ReprDigest": in_header("Repr-Digest", digest, "RFC 9530; the same as Content-Digest here (D-12)."),
    })
}
