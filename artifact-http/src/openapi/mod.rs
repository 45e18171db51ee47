//! The endpoints as an OpenAPI 3.1 document, made of the same table that they are dispatched by.

mod operations;
mod parameters;
mod responses;
mod schemas;

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde_json::{Map, Value, json};

use crate::routes::{Endpoint, endpoints};

/// Where the document is served, to everybody.
pub(crate) const PATH: &str = "/openapi.json";

/// What stands before the path of every endpoint.
const SCOPE: &str = "/v0/experiments/{E}";

/// The document of all endpoints as it is served: pretty-printed JSON with a line break at its end.
///
/// It says what `docs/http-api.md` says, as far as a schema can, and each operation names the clauses
/// of that page that it follows (`x-clauses`). A router without a identities serves it without the
/// endpoints that such a router does not have.
pub fn openapi() -> &'static str {
    static WHOLE: LazyLock<String> = LazyLock::new(|| pretty(&document(true)));
    &WHOLE
}

fn without_identities() -> &'static str {
    static PART: LazyLock<String> = LazyLock::new(|| pretty(&document(false)));
    &PART
}

fn pretty(document: &Value) -> String {
    let text = serde_json::to_string_pretty(document);
    text.expect("texts, numbers and maps are JSON") + "\n"
}

/// Answers a `GET` of the document.
pub(crate) fn respond(with_identities: bool) -> Response {
    let text = if with_identities {
        openapi()
    } else {
        without_identities()
    };
    let text = Bytes::from_static(text.as_bytes());
    let mut response = Response::new(Body::empty());
    let fields = response.headers_mut();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    fields.insert(CONTENT_TYPE, json);
    fields.insert(CONTENT_LENGTH, text.len().into());
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    *response.body_mut() = Body::from(text);
    response
}

fn document(with_identities: bool) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "artifact",
            "summary": "A blob store for files that must not change",
            "description": "What a client may rely on is in docs/http-api.md, as numbered clauses; `x-clauses` names those of an operation. On every path under /v0/ the checks run in one order: credential (401), experiment header (400), path (404), method (405), class of principal (403), then what the operation itself says.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "tags": [
            { "name": "artifacts", "description": "Files in, and the same files back." },
            { "name": "workers", "description": "Who deposits and fetches." },
            { "name": "groups", "description": "Workers and groups together; the group `admins` reads everything." },
            { "name": "experiment", "description": "To which everything else belongs." },
            { "name": "server", "description": "The server itself, to everybody." },
        ],
        "security": [{ "principal": [] }],
        "paths": paths(with_identities),
        "components": {
            "securitySchemes": {
                "principal": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "<principal>:<secret>",
                    "description": "`Authorization: Bearer <principal>:<secret>`, divided at the first colon. The principal is `admin`, with the deployment's admin token, or a worker's id, with its registration token.",
                },
            },
            "parameters": parameters::components(),
            "headers": responses::headers(),
            "responses": responses::components(),
            "schemas": schemas::components(),
        },
    })
}

fn paths(with_identities: bool) -> Value {
    let mut paths = Map::new();
    let served = |endpoint: &&Endpoint| with_identities || !endpoint.needs_identities();
    for endpoint in endpoints().iter().filter(served) {
        let path = format!("{SCOPE}{}", endpoint.path);
        let entry = paths
            .entry(path)
            .or_insert_with(|| json!({ "parameters": parameters::of_path(endpoint.path) }));
        let operation = operations::of(endpoint);
        if endpoint.method == Method::GET {
            entry["head"] = operations::head_of(&operation);
        }
        entry[endpoint.method.as_str().to_ascii_lowercase()] = operation;
    }
    for (path, operation) in operations::outside() {
        let head = operations::head_of(&operation);
        paths.insert(path.to_owned(), json!({ "get": operation, "head": head }));
    }
    Value::Object(paths)
}

/// A reference to a part of the document.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}
