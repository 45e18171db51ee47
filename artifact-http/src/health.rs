//! `GET /healthz`, without a credential.

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use schemars::{Schema, SchemaGenerator, json_schema};

use crate::openapi::{Answer, Docs};
use crate::response;

pub(crate) const PATH: &str = "/healthz";
const TEXT: &str = "text/plain; charset=utf-8";
const BODY: &str = "ok";

pub(crate) const DOCS: Docs = Docs {
    tag: "server",
    summary: "Check whether the server answers requests",
    clauses: &["X-2"],
    answers: &[Answer::empty(200, "It does.").with_content(TEXT, body_schema)],
    ..Docs::EMPTY
};

fn body_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": BODY })
}

pub(crate) fn respond() -> Response {
    response::with_body(
        StatusCode::OK,
        TEXT,
        "no-store",
        Bytes::from_static(BODY.as_bytes()),
    )
}
