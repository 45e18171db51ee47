//! `GET` and `PUT /v1/experiments/{E}/retention`.

use std::time::Duration;

use axum::response::Response;
use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::{MAX_KEEP_SECONDS, check_no_parameters, managed};
use crate::endpoint::{Access, Endpoint};
use crate::identity::json_body;
use crate::openapi::{Answer, Docs, RequestContent};
use crate::problem::Problem;
use crate::request::AuthorizedRequest;
use crate::response;

/// How long the artifacts of an experiment are kept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Retention")]
struct RetentionBody {
    /// The number of seconds from the deposit on, 1 to 3153600000, or `null` for ever. Counts for artifacts without a
    /// time of their own.
    #[serde(deserialize_with = "required")]
    #[schemars(schema_with = "keep_schema")]
    keep_seconds: Option<u64>,
}

fn keep_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": MAX_KEEP_SECONDS,
        "examples": [2_592_000],
    })
}

/// Reads a member that may be `null` but must not be missing.
fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(deserializer)
}

pub(crate) struct ReadRetention;

impl ReadRetention {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readRetention",
        method: Method::GET,
        path: "/v1/experiments/{E}/retention",
        access: Access::Any,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Read how long artifacts are kept",
            clauses: &["M-1", "M-2", "M-8"],
            answers: &[Answer::json::<RetentionBody>(200, "The retention.")],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let managed = managed(request.service)?;
        let keep = managed
            .retention(&request.principal, &request.experiment.id)
            .await?;
        let body = RetentionBody {
            keep_seconds: keep.map(|keep| keep.as_secs()),
        };
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct SetRetention;

impl SetRetention {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "setRetention",
        method: Method::PUT,
        path: "/v1/experiments/{E}/retention",
        access: Access::Admin,
        needs_identities: false,
        docs: Docs {
            tag: "management",
            summary: "Set how long artifacts are kept",
            clauses: &["M-1", "M-2", "M-8", "J-1"],
            content: Some(RequestContent::json::<RetentionBody>()),
            answers: &[Answer::empty(204, "The retention is set.")],
            problems: &[413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let AuthorizedRequest {
            service,
            principal,
            experiment,
            parts,
            body,
        } = request;
        let RetentionBody { keep_seconds } = json_body::read(&parts.headers, body).await?;
        if keep_seconds.is_some_and(|seconds| !(1..=MAX_KEEP_SECONDS).contains(&seconds)) {
            let detail = format!("`keep_seconds` must be from 1 to {MAX_KEEP_SECONDS}, or null");
            return Err(Problem::bad_request(detail));
        }
        let keep = keep_seconds.map(Duration::from_secs);
        managed(service)?
            .set_retention(&principal, &experiment.id, keep)
            .await?;
        Ok(response::empty())
    }
}
