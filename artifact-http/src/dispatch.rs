//! Serves a request: runs the checks in the protocol's order and turns every outcome into a response.

use std::panic::AssertUnwindSafe;

use artifact_store::{Experiment, ExperimentId, Principal};
use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use crate::credential::Credential;
use crate::problem::{Problem, ProblemType};
use crate::request::AuthenticatedRequest;
use crate::request_info::RequestInfo;
use crate::route::Route;
use crate::router::Service;
use crate::{endpoints, health, instance, openapi, response};

/// The header that repeats the path's experiment.
const EXPERIMENT_HEADER: &str = "x-eden-experiment-id";

/// Serves one request. A panic in a handler is answered with 500.
pub(crate) async fn serve(service: &Service, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let mut info = RequestInfo::UNKNOWN;
    let outcome = AssertUnwindSafe(answer(service, &parts, body, &mut info))
        .catch_unwind()
        .await;
    let mut response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => respond_with(problem, parts, service),
        // The panic hook has logged the panic's message; clients must not see it.
        Err(_) => respond_with(Problem::internal("a handler panicked"), parts, service),
    };
    response.extensions_mut().insert(info);
    if is_head {
        // RFC 9110, section 9.3.2: the fields of GET, including Content-Length, without content.
        *response.body_mut() = response::no_content(&response);
    }
    response
}

fn respond_with(problem: Problem, parts: Parts, service: &Service) -> Response {
    problem.respond(&instance::of(
        &Request::from_parts(parts, ()),
        &service.config,
    ))
}

async fn answer(
    service: &Service,
    parts: &Parts,
    body: Body,
    info: &mut RequestInfo,
) -> Result<Response, Problem> {
    match parts.uri.path() {
        health::PATH => {
            info.route = health::PATH;
            check_get(&parts.method)?;
            Ok(health::respond())
        }
        openapi::PATH => {
            info.route = openapi::PATH;
            check_get(&parts.method)?;
            let base = instance::base(parts, &service.config);
            Ok(openapi::respond(service.identities.is_some(), base))
        }
        path if path.starts_with("/v0/") => answer_protected(service, parts, body, info).await,
        _ => Err(Problem::no_such_path()),
    }
}

/// Answers a path under `/v0/`. The checks run in this order on every path, known or unknown:
/// credential (401), experiment header (400), route (404), method (405), principal class (403),
/// and then the handler's own.
async fn answer_protected(
    service: &Service,
    parts: &Parts,
    body: Body,
    info: &mut RequestInfo,
) -> Result<Response, Problem> {
    let principal = authenticate(service, &parts.headers).await?;
    info.principal = Some(principal.id());
    let (scope, rest) = split_experiment(parts.uri.path()).ok_or_else(Problem::no_such_path)?;
    let experiment = find_experiment(service, scope, &parts.headers).await?;
    let route = Route::parse(rest).ok_or_else(Problem::no_such_path)?;
    let request = AuthenticatedRequest {
        service,
        principal,
        experiment,
        parts,
        body,
        info,
    };
    // The method and the class of the principal are checked there.
    endpoints::call(request, route).await
}

/// Splits `/v0/experiments/{E}/rest` into `{E}` and `/rest`.
fn split_experiment(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("/v0/experiments/")?;
    let (scope, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    (!scope.is_empty()).then_some((scope, rest))
}

/// Allows `GET` and `HEAD` on a path outside of `/v0/`.
fn check_get(method: &Method) -> Result<(), Problem> {
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    let problem = Problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path supports only GET and HEAD",
    );
    Err(problem.with_header(ALLOW, HeaderValue::from_static("GET, HEAD")))
}

async fn authenticate(service: &Service, headers: &HeaderMap) -> Result<Principal, Problem> {
    let credential = Credential::from_headers(headers)?;
    Ok(service.authenticate.authenticate(&credential).await?)
}

/// Finds the path's experiment. The header must repeat its name byte for byte, and this server must
/// host it.
async fn find_experiment(
    service: &Service,
    scope: &str,
    headers: &HeaderMap,
) -> Result<Experiment, Problem> {
    let mismatch = |detail| Problem::new(ProblemType::ExperimentIdMismatch, detail);
    let mut values = headers.get_all(EXPERIMENT_HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => return Err(mismatch("the X-Eden-Experiment-Id header is missing")),
        (Some(_), Some(_)) => {
            return Err(mismatch(
                "the request has more than one X-Eden-Experiment-Id header",
            ));
        }
        (Some(value), None) if value.as_bytes() != scope.as_bytes() => {
            return Err(mismatch(
                "the X-Eden-Experiment-Id header differs from the experiment in the path",
            ));
        }
        (Some(_), None) => {}
    }
    let unknown = || mismatch("this server does not host the experiment");
    let id: ExperimentId = scope.parse().map_err(|_| unknown())?;
    service.store.experiment(&id).await?.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use artifact_backend_mem::MemBackend;
    use artifact_store::{ArtifactStore, MemoryDatabase, StoreConfig};

    use super::*;
    use crate::{AdminToken, HttpConfig, HttpService};

    /// Every request moves its future into a box. That of a deposit is the largest by far.
    #[test]
    fn the_future_of_a_request_is_small() {
        let (backend, rows) = (MemBackend::default(), MemoryDatabase::new());
        let store = ArtifactStore::new(Arc::new(backend), Arc::new(rows), StoreConfig::default());
        let admin = Arc::new(AdminToken::new("9f86d081884c7d65").unwrap());
        let service = HttpService::new(store, admin, HttpConfig::default());
        let future = serve(&service.shared, Request::new(Body::empty()));
        let size = size_of_val(&future);
        assert!(size <= 4096, "{size} bytes");
    }
}
