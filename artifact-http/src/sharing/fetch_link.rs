//! `GET` and `HEAD /v1/links/{L}`: the bytes of an artifact, without a credential.

use artifact_audit::AuditField;
use artifact_store::{ErrorKind, LinkSecret, authorize_link};
use axum::response::Response;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Method};

use super::{TAG, sharing};
use crate::concurrency_limiter::Holder;
use crate::endpoint::{Access, Endpoint};
use crate::fetch;
use crate::head::Head;
use crate::management::Parameters;
use crate::openapi::{Docs, parameters};
use crate::problem::{Problem, ProblemType};
use crate::router::Service;

/// Keeps the URL, which is a secret, from sites that the client visits next.
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

pub(crate) struct FetchLink;

impl FetchLink {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "fetchLink",
        method: Method::GET,
        path: "/v1/links/{L}",
        access: Access::Anyone,
        needs_identities: false,
        docs: Docs {
            tag: TAG,
            summary: "Fetch the bytes of an artifact through a link",
            clauses: &[
                "M-2", "S-6", "S-7", "F-6", "F-7", "F-8", "F-9", "F-10", "F-11", "F-12", "F-13",
                "F-14", "F-15", "F-16",
            ],
            parameters: &[
                &parameters::RANGE,
                &parameters::IF_MATCH,
                &parameters::IF_NONE_MATCH,
                &parameters::IF_RANGE,
            ],
            answers: fetch::LINK_ANSWERS,
            problems: &[404, 412, 416, 429, 500],
            ..Docs::EMPTY
        },
    };

    /// Whatever is wrong with the link, the answer is the same.
    pub(crate) async fn handle(
        service: &Service,
        parts: &Head,
        secret: &str,
    ) -> Result<Response, Problem> {
        let answer = respond(service, parts, secret).await;
        match answer {
            Ok(mut response) => {
                response.headers_mut().insert(REFERRER_POLICY, NO_REFERRER);
                Ok(response)
            }
            Err(problem) => Err(problem.with_header(REFERRER_POLICY, NO_REFERRER)),
        }
    }
}

async fn respond(service: &Service, parts: &Head, secret: &str) -> Result<Response, Problem> {
    Parameters::parse(parts.uri.query(), &[])?;
    let secret: LinkSecret = secret.parse().map_err(|_| no_such_link())?;
    let grant = authorize_link(sharing(service)?, &secret).await;
    let grant = grant.map_err(|error| match error.kind() {
        ErrorKind::NotFound => no_such_link(),
        _ => error.into(),
    })?;
    let link = grant.link().ok_or_else(no_such_link)?.id;
    parts.is_about_experiment(&grant.row().experiment);
    parts.is_about(AuditField::Link, &link);
    let permit = || service.fetches.acquire_for(Holder::Link(link));
    fetch::deliver(service, parts, &grant, permit, |error| {
        match error.kind() {
            // Its last download began, or the artifact was removed, since it was authorized.
            ErrorKind::NotFound => no_such_link(),
            _ => error.into(),
        }
    })
    .await
}

fn no_such_link() -> Problem {
    Problem::new(ProblemType::NotFound, "there is no such link")
}
