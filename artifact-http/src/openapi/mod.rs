//! The endpoints as an OpenAPI 3.1 document, generated from the table that requests are dispatched by.

mod docs;
mod document;
pub(crate) mod parameters;
mod rename;
mod responses;
pub(crate) mod schemas;

use std::borrow::Cow;
use std::sync::OnceLock;

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

pub(crate) use self::docs::{Answer, Docs, Links, RequestContent};
use crate::config::HttpConfig;
use crate::response::{self, JSON};
use crate::router::Service;

/// The path of the document, which needs no credential.
pub(crate) const PATH: &str = "/openapi.json";

pub(crate) const DOCS: Docs = Docs {
    tag: "server",
    summary: "Read this document",
    clauses: &["X-3", "C-7"],
    answers: &[Answer::empty(200, "OpenAPI 3.1.").with_content(JSON, document_schema)],
    ..Docs::EMPTY
};

fn document_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "required": ["openapi", "paths"] })
}

/// Returns the document of all endpoints as it is served: pretty-printed JSON that ends with a line
/// break.
///
/// It says what `docs/http-api.md` says, as far as a schema can, and each operation names the
/// clauses of that page that it follows (`x-clauses`). A router without identities, a managed store or collections serves a
/// document without the endpoints that need them.
pub fn openapi() -> &'static str {
    text(true, true, true)
}

/// Returns the document with default names. It is made at most once.
fn text(with_identities: bool, with_management: bool, with_collections: bool) -> &'static str {
    static TEXTS: [OnceLock<String>; 8] = [const { OnceLock::new() }; 8];
    let given = [with_identities, with_management, with_collections];
    let index = given
        .into_iter()
        .fold(0, |index, given| 2 * index + usize::from(given));
    let text = &TEXTS[index];
    text.get_or_init(|| {
        let document = document::document(|endpoint| {
            (with_identities || !endpoint.needs_identities())
                && (with_management || !endpoint.needs_management())
                && (with_collections || !endpoint.needs_collections())
        });
        let text = serde_json::to_string_pretty(&document);
        text.expect("strings, numbers and maps are valid JSON") + "\n"
    })
}

/// Returns the document of a router with these settings: with its base paths, experiment header, URI and error
/// prefixes, and its security scheme.
pub fn openapi_of(config: &HttpConfig, with_identities: bool) -> Cow<'static, str> {
    let (management, collections) = (config.managed(), config.collections());
    let text = text(with_identities, management.is_some(), collections.is_some());
    rename::renamed(text, config)
}

/// Answers a `GET` of the document. `base` is the URL that its paths are relative to, if it is not the server itself.
pub(crate) fn respond(service: &Service, base: Option<String>) -> Response {
    let document = service.document.get_or_init(|| {
        let text = openapi_of(&service.config, service.identities.is_some());
        match text {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        }
    });
    let body = match base {
        None => document.clone(),
        Some(url) => with_servers(&String::from_utf8_lossy(document), &url).into(),
    };
    response::with_body(StatusCode::OK, JSON, "no-cache", body)
}

/// Adds the member `servers` to the document.
fn with_servers(text: &str, url: &str) -> String {
    let members = text.trim_start_matches('{');
    format!("{{\n  \"servers\": {},{members}", json!([{ "url": url }]))
}
