//! Serves a request: runs the checks in the protocol's order and turns every outcome into a response.

use std::panic::AssertUnwindSafe;

use artifact_store::{Experiment, ExperimentId, Principal};
use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use http::header::{ALLOW, AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};

use crate::api::Api;
use crate::audit::AuditedRequest;
use crate::credential::{self, BasicAccepted};
use crate::head::Head;
use crate::metrics::MeasuredRequest;
use crate::problem::{Problem, ProblemType};
use crate::request::{AuthenticatedRequest, Deployment};
use crate::request_info::RequestInfo;
use crate::route::{DeploymentRoute, Route};
use crate::router::Service;
use crate::sharing::FetchLink;
use crate::{endpoints, health, instance, openapi, readiness, receipts, response};

/// A field that scripts send and browsers do not add by themselves, by custom with the value `XMLHttpRequest`.
const SENT_BY_SCRIPT: HeaderName = HeaderName::from_static("x-requested-with");

/// Serves one request. A panic in a handler is answered with 500.
pub(crate) async fn serve(service: &Service, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let metrics = service.metrics.get();
    let measured = MeasuredRequest::begin(metrics, &parts.method);
    if let Some(value) = parts.headers.get_mut(AUTHORIZATION) {
        // `Debug` of the header does not show it.
        value.set_sensitive(true);
    }
    if service.accepts_basic(parts.uri.path()) {
        parts.extensions.insert(BasicAccepted);
    }
    let is_head = parts.method == Method::HEAD;
    let head = Head::new(parts);
    let mut audited = AuditedRequest::begin(service, &head);
    let outcome = match audited.check() {
        Ok(()) => AssertUnwindSafe(answer(service, &head, body, &mut audited.info))
            .catch_unwind()
            .await
            // The panic hook has logged the panic's message; clients must not see it.
            .unwrap_or_else(|_| Err(Problem::internal("a handler panicked"))),
        Err(problem) => Err(problem),
    };
    let (outcome, info) = audited.end(outcome).await;
    if let (Some(metrics), Err(problem)) = (metrics, &outcome) {
        metrics.count_refusal(problem);
    }
    let mut response =
        outcome.unwrap_or_else(|problem| respond_with(problem, head.into_parts(), service));
    measured.end(info.route, response.status());
    response.extensions_mut().insert(info);
    if is_head {
        // RFC 9110, section 9.3.2: the fields of GET, including Content-Length, without content.
        *response.body_mut() = response::no_content(&response);
    }
    response
}

fn respond_with(problem: Problem, parts: Parts, service: &Service) -> Response {
    let accepts_basic = parts.extensions.get::<BasicAccepted>().is_some();
    // A script would make the browser ask its user for a password.
    let problem = if accepts_basic && !parts.headers.contains_key(SENT_BY_SCRIPT) {
        problem.with_basic_challenge()
    } else {
        problem
    };
    let instance = instance::of(&Request::from_parts(parts, ()), &service.config);
    problem.respond(&instance, &service.config)
}

async fn answer(
    service: &Service,
    parts: &Head,
    body: Body,
    info: &mut RequestInfo,
) -> Result<Response, Problem> {
    #[cfg(feature = "page")]
    if let Some(outcome) = crate::page::answer(service, parts, info) {
        return outcome;
    }
    if let Some(log) = &service.config.receipts
        && receipts::is_of_log(parts.uri.path())
    {
        // In a box, so that the future of another request is no larger.
        return Box::pin(receipts::answer(log, parts, info)).await;
    }
    match parts.uri.path() {
        health::PATH => {
            info.route = health::PATH;
            check_get(&parts.method)?;
            Ok(health::respond())
        }
        readiness::PATH => {
            let probe = service.config.readiness.as_ref();
            let probe = probe.ok_or_else(Problem::no_such_path)?;
            info.route = readiness::PATH;
            check_get(&parts.method)?;
            let respond = readiness::respond(probe, service.config.audit.as_ref());
            // In a box, so that the futures of other requests are no larger.
            Ok(Box::pin(respond).await)
        }
        openapi::PATH => {
            info.route = openapi::PATH;
            check_get(&parts.method)?;
            let base = instance::base(parts, &service.config);
            Ok(openapi::respond(service, base))
        }
        path => match service.config.find_api(path) {
            Some((api, rest)) => match link_secret(service, api, rest) {
                Some(secret) => endpoints::call_of_link(service, parts, secret, info).await,
                None => answer_protected(service, parts, api, rest, body, info).await,
            },
            None => Err(Problem::no_such_path()),
        },
    }
}

/// Answers a path under a base path, `/v0` or `/v1` by default; `rest` is what follows it. The checks run in this order on every path, known or unknown:
/// credential (401), rate of requests (429), experiment header (400), route (404), method (405), principal class (403),
/// and then the handler's own.
async fn answer_protected(
    service: &Service,
    parts: &Head,
    api: Api,
    rest: &str,
    body: Body,
    info: &mut RequestInfo,
) -> Result<Response, Problem> {
    let principal = authenticate(service, parts).await?;
    info.principal = Some(principal.id());
    if let Some(rates) = &service.rates {
        rates.check(&principal)?;
    }
    if let Some(route) = DeploymentRoute::parse(api, rest) {
        route.name_subject(parts);
        let request = AuthenticatedRequest {
            service,
            principal,
            experiment: Deployment,
            parts,
            body,
            info,
        };
        return endpoints::call_of_deployment(request, route).await;
    }
    let (scope, rest) = split_experiment(rest).ok_or_else(Problem::no_such_path)?;
    let experiment = find_experiment(service, api, scope, &parts.headers).await?;
    parts.is_about_experiment(&experiment.id);
    let route = Route::parse(api, rest).ok_or_else(Problem::no_such_path)?;
    route.name_subject(parts);
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

/// Returns the secret in the path of a link, if this router has links.
fn link_secret<'p>(service: &Service, api: Api, rest: &'p str) -> Option<&'p str> {
    let secret = rest.strip_prefix("/links/")?;
    let is_one_segment = !secret.is_empty() && !secret.contains('/');
    let is_link = api == Api::Management && is_one_segment && service.serves(FetchLink::ENDPOINT);
    is_link.then_some(secret)
}

/// Splits `/experiments/{E}/rest` into `{E}` and `/rest`.
fn split_experiment(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("/experiments/")?;
    let (scope, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    (!scope.is_empty()).then_some((scope, rest))
}

/// Allows `GET` and `HEAD` on a path that is not under the base path.
pub(crate) fn check_get(method: &Method) -> Result<(), Problem> {
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    let problem = Problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path supports only GET and HEAD",
    );
    Err(problem.with_header(ALLOW, HeaderValue::from_static("GET, HEAD")))
}

async fn authenticate(service: &Service, parts: &Parts) -> Result<Principal, Problem> {
    // Whatever the authenticator reads: two fields could name two principals.
    credential::single(&parts.headers)?;
    Ok(service.authenticate.authenticate(parts).await?)
}

/// Finds the path's experiment. The header must repeat its name byte for byte, and this server must
/// host it. The endpoints of management do not need the header.
async fn find_experiment(
    service: &Service,
    api: Api,
    scope: &str,
    headers: &HeaderMap,
) -> Result<Experiment, Problem> {
    let mismatch = |detail: String| Problem::new(ProblemType::ExperimentIdMismatch, detail);
    let header = &service.config.experiment_header;
    let mut values = headers.get_all(header.name()).iter();
    let header = header.as_str();
    match (values.next(), values.next()) {
        (None, _) if api == Api::Management => {}
        (None, _) => return Err(mismatch(format!("the {header} header is missing"))),
        (Some(_), Some(_)) => {
            let detail = format!("the request has more than one {header} header");
            return Err(mismatch(detail));
        }
        (Some(value), None) if value.as_bytes() != scope.as_bytes() => {
            let detail = format!("the {header} header differs from the experiment in the path");
            return Err(mismatch(detail));
        }
        (Some(_), None) => {}
    }
    let unknown = || mismatch("this server does not host the experiment".to_owned());
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
