//! `GET /readyz`, without a credential, if the router has a probe.

use artifact_store::{Readiness, ReadinessProbe};
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::HttpAudit;
use crate::openapi::{Answer, Docs};
use crate::response;

pub(crate) const PATH: &str = "/readyz";

pub(crate) const DOCS: Docs = Docs {
    tag: "server",
    summary: "Check whether the server can store and fetch artifacts",
    clauses: &["X-5"],
    answers: &[
        Answer::json::<ReadinessBody>(200, "It can."),
        Answer::json::<ReadinessBody>(503, "It cannot now, or it is shutting down.")
            .with_headers(&["Retry-After"]),
    ],
    ..Docs::EMPTY
};

/// Whether the server is ready.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Readiness")]
struct ReadinessBody {
    /// Whether every part of the server is ready.
    ready: bool,
    /// The parts that are not ready; empty if all are.
    reasons: Vec<ReasonBody>,
}

/// A part of the server that is not ready.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UnreadyPart")]
struct ReasonBody {
    /// `database`, `backend`, `free-space`, `audit-log` or `server`; later versions may add parts.
    part: &'static str,
    /// Why, in a few words for people.
    reason: &'static str,
}

impl ReadinessBody {
    fn new(found: &Readiness, audit: Option<&HttpAudit>) -> Self {
        let reasons = found.unready().iter().map(|(part, reason)| ReasonBody {
            part: part.as_str(),
            reason: reason.as_str(),
        });
        let mut reasons: Vec<_> = reasons.collect();
        // Every other request is answered 503 then.
        if audit.is_some_and(|audit| audit.log().check().is_err()) {
            reasons.push(ReasonBody {
                part: "audit-log",
                reason: "cannot be written",
            });
        }
        Self {
            ready: reasons.is_empty(),
            reasons,
        }
    }
}

pub(crate) async fn respond(probe: &ReadinessProbe, audit: Option<&HttpAudit>) -> Response {
    let body = ReadinessBody::new(&probe.check().await, audit);
    if body.ready {
        return response::json(StatusCode::OK, &body);
    }
    let mut response = response::json(StatusCode::SERVICE_UNAVAILABLE, &body);
    let seconds = HeaderValue::from_static("5");
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}
