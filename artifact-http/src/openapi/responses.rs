//! Answers: their fields, and every refusal.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::reference;

/// The statuses that every operation under an experiment can answer.
pub(super) const COMMON: [u16; 10] = [400, 401, 403, 404, 405, 408, 414, 431, 500, 503];
/// Those that an operation can answer which needs no credential.
pub(super) const OUTSIDE: [u16; 6] = [400, 405, 408, 414, 431, 503];
/// Those that only some operations answer.
const OTHERS: [u16; 8] = [409, 412, 413, 415, 416, 422, 429, 507];

/// The name of a refusal among the components.
pub(super) fn name(status: u16) -> String {
    format!("Problem{status}")
}

/// What a refusal of this status is, and the fields that it always has.
fn refusal(status: u16) -> (&'static str, &'static [&'static str]) {
    match status {
        400 => (
            "The experiment header is not the path's experiment (E-1), a credential stands there twice (A-3), or body, parameter or form is malformed or missing.",
            &[],
        ),
        401 => ("No valid credential (A-2).", &["WWW-Authenticate"]),
        403 => ("A valid credential that may not do this here.", &[]),
        404 => ("There is no such path, artifact, worker or group.", &[]),
        405 => ("This path has other methods (C-5).", &["Allow"]),
        408 => ("The request did not come in time.", &[]),
        409 => (
            "The name is reserved (N-3), the change would make a cycle (G-5), or the id is taken.",
            &[],
        ),
        412 => (
            "The artifact is not the one that If-Match names (F-10).",
            &[],
        ),
        413 => ("Larger than is taken (D-5).", &[]),
        414 => ("Path and query are too long.", &[]),
        415 => (
            "A media type or a content coding that is not taken (D-4).",
            &[],
        ),
        416 => (
            "The range holds no byte of the artifact (F-12).",
            &["Content-Range"],
        ),
        422 => ("A display name outside its grammar (N-1).", &[]),
        429 => (
            "This principal has as many deposits under way as one may have (D-13).",
            &["Retry-After"],
        ),
        431 => ("The header is too long.", &[]),
        500 => ("A fault of the server.", &[]),
        503 => ("Not now; try again (P-4).", &["Retry-After"]),
        507 => ("The server has no room.", &[]),
        other => unreachable!("{other} is in no list of refusals"),
    }
}

pub(super) fn components() -> Value {
    let mut responses = Map::new();
    for status in COMMON.into_iter().chain(OTHERS) {
        let (what, fields) = refusal(status);
        let title = StatusCode::from_u16(status)
            .ok()
            .and_then(|code| code.canonical_reason());
        let content = json!({
            "schema": reference("schemas", "Problem"),
            "example": example(status, title.unwrap_or("Error")),
        });
        let response = json!({
            "description": what,
            "headers": with_request_id(fields),
            "content": { "application/problem+json; charset=utf-8": content },
        });
        responses.insert(name(status), response);
    }
    Value::Object(responses)
}

/// These fields, and the one that every answer may have.
pub(super) fn with_request_id(names: &[&str]) -> Value {
    let all = names.iter().chain(&["X-Request-Id"]);
    let fields: Map<_, _> = all
        .map(|name| ((*name).to_owned(), reference("headers", name)))
        .collect();
    Value::Object(fields)
}

/// A problem of this status, such as it comes.
fn example(status: u16, title: &str) -> Value {
    let (kind, detail) = match status {
        400 => (
            "eden://error/bad-request",
            "the body must be multipart/form-data with a boundary",
        ),
        401 => (
            "eden://error/unauthorized",
            "a valid credential is needed: Authorization: Bearer <principal>:<secret>",
        ),
        403 => (
            "eden://error/forbidden",
            "this credential may not do this here",
        ),
        404 => ("eden://error/not-found", "there is nothing at this path"),
        409 => ("eden://error/reserved-identifier", "this name is reserved"),
        413 => (
            "eden://error/payload-too-large",
            "an artifact has at most 104857600 bytes here",
        ),
        422 => (
            "eden://error/invalid-name",
            "the name is not in normalization form C",
        ),
        _ => ("about:blank", "what was wrong with it"),
    };
    json!({
        "type": kind, "title": title, "status": status, "detail": detail,
        "instance": "http://127.0.0.1:8080/v0/experiments/default/artifacts",
    })
}

/// A field that is always there, with this value or one like it.
fn always(what: &str, schema: &Value) -> Value {
    json!({ "description": what, "required": true, "schema": schema })
}

pub(super) fn headers() -> Value {
    let text = json!({ "type": "string" });
    let constant = |value: &str| json!({ "const": value });
    json!({
        "X-Request-Id": {
            "description": "The request's own id, or a fresh one; of `artifact serve` (C-8).",
            "required": false, "schema": text,
        },
        "WWW-Authenticate": always("How to authenticate.", &constant("Bearer")),
        "Allow": always("The methods of this path.", &text),
        "Retry-After": always("In how many seconds to try again.", &json!({ "type": "string", "pattern": "^[0-9]+$" })),
        "Content-Range": always("Which bytes, of how many.", &json!({ "type": "string", "pattern": "^bytes ([0-9]+-[0-9]+|\\*)/[0-9]+$" })),
        "Content-Disposition": always("`attachment`, with the recorded file name (F-7).", &json!({ "type": "string", "pattern": "^attachment" })),
        "X-Content-Type-Options": always("No guessing (F-8).", &constant("nosniff")),
        "Content-Security-Policy": always("Nothing runs (F-8).", &constant("default-src 'none'; sandbox")),
        "Cross-Origin-Resource-Policy": always("Not for other sites (F-8).", &constant("same-origin")),
        "Cache-Control": always("Not kept by caches (F-8).", &constant("private, no-store")),
        "Vary": always("Another principal, another answer (F-8).", &constant("Authorization")),
        "Accept-Ranges": always("Ranges are answered (F-12).", &constant("bytes")),
        "ETag": always("The SHA-256 of the artifact (F-9).", &json!({ "type": "string", "pattern": "^\"[0-9a-f]{64}\"$" })),
        "Repr-Digest": always("RFC 9530, of the whole artifact (F-9).", &json!({ "type": "string", "pattern": "^sha-256=:[A-Za-z0-9+/]{43}=:$" })),
    })
}

/// The fields of every answer that holds bytes of an artifact.
pub(super) const DELIVERY: [&str; 9] = [
    "Content-Disposition",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Cross-Origin-Resource-Policy",
    "Cache-Control",
    "Vary",
    "Accept-Ranges",
    "ETag",
    "Repr-Digest",
];
