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
use crate::endpoint::Endpoint;
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
/// clauses of that page that it follows (`x-clauses`). A router without identities, managed store, sharing,
/// collections or receipts serves a document without the endpoints that need them.
pub fn openapi() -> &'static str {
    text(Served {
        identities: true,
        management: true,
        sharing: ServedSharing::GrantsAndLinks,
        collections: true,
        receipts: true,
    })
}

/// Which endpoints beside the first ones a router has.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
struct Served {
    identities: bool,
    management: bool,
    sharing: ServedSharing,
    collections: bool,
    receipts: bool,
}

#[derive(Debug, Clone, Copy)]
enum ServedSharing {
    Nothing,
    Grants,
    GrantsAndLinks,
}

impl Served {
    /// How many choices there are.
    const CHOICES: usize = 48;

    /// Returns a number that stands for this choice.
    fn index(self) -> usize {
        let sharing = match self.sharing {
            ServedSharing::Nothing => 0,
            ServedSharing::Grants => 1,
            ServedSharing::GrantsAndLinks => 2,
        };
        let given = [
            self.identities,
            self.management,
            self.collections,
            self.receipts,
        ];
        let index = given
            .into_iter()
            .fold(0, |index, given| 2 * index + usize::from(given));
        index * 3 + sharing
    }

    fn has(self, endpoint: &Endpoint) -> bool {
        let is_shared = match self.sharing {
            ServedSharing::Nothing => !endpoint.needs_sharing(),
            ServedSharing::Grants => !endpoint.needs_links(),
            ServedSharing::GrantsAndLinks => true,
        };
        (self.identities || !endpoint.needs_identities())
            && (self.management || !endpoint.needs_management())
            && (self.collections || !endpoint.needs_collections())
            && (self.receipts || !endpoint.needs_receipts())
            && is_shared
    }
}

/// Returns the document with default names. It is made at most once.
fn text(served: Served) -> &'static str {
    static TEXTS: [OnceLock<String>; Served::CHOICES] =
        [const { OnceLock::new() }; Served::CHOICES];
    TEXTS[served.index()].get_or_init(|| {
        let document = document::document(|endpoint| served.has(endpoint));
        let text = serde_json::to_string_pretty(&document);
        text.expect("strings, numbers and maps are valid JSON") + "\n"
    })
}

/// Returns the document of a router with these settings: with its base paths, experiment header, URI and error
/// prefixes, and its security scheme.
pub fn openapi_of(config: &HttpConfig, with_identities: bool) -> Cow<'static, str> {
    let text = text(Served {
        identities: with_identities,
        management: config.managed().is_some(),
        sharing: match config.sharing() {
            None => ServedSharing::Nothing,
            Some(_) if config.links => ServedSharing::GrantsAndLinks,
            Some(_) => ServedSharing::Grants,
        },
        collections: config.collections().is_some(),
        receipts: config.receipts.is_some(),
    });
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
