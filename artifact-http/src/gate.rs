//! The one way in: the checks that every request passes, in their order, and its answer.

use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::sync::Arc;

use artifact_store::{Experiment, ExperimentId, Principal};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::FutureExt;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use crate::credential::Credential;
use crate::instance;
use crate::problem::{Problem, Type};
use crate::router::Service;
use crate::routes::{self, Found, Handler};
use crate::served::Served;
use crate::{deposit, experiment, fetch, identity, openapi};

/// The header that repeats the path's experiment.
const EXPERIMENT_HEADER: &str = "x-eden-experiment-id";

/// A request that passed every check that does not depend on its endpoint.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) principal: Principal,
    pub(crate) experiment: Experiment,
    pub(crate) parts: Parts,
    pub(crate) body: Body,
}

/// Serves one request. Whatever happens in it, the answer is one of ours.
pub(crate) async fn serve(State(service): State<Arc<Service>>, request: Request<Body>) -> Response {
    let instance = instance::of(&request, &service.config);
    let head = request.method() == Method::HEAD;
    let mut served = Served::nothing();
    let outcome = AssertUnwindSafe(answer(&service, request, &mut served))
        .catch_unwind()
        .await;
    let mut response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.respond(&instance),
        // The panic's own text went to the log by the panic hook; it is not for clients.
        Err(_) => Problem::internal("a handler panicked").respond(&instance),
    };
    response.extensions_mut().insert(served);
    if head {
        // RFC 9110, section 9.3.2: the fields of GET, without content. Content-Length stays.
        *response.body_mut() = Body::empty();
    }
    response
}

async fn answer(
    service: &Service,
    request: Request<Body>,
    served: &mut Served,
) -> Result<Response, Problem> {
    let path = request.uri().path();
    if path == "/healthz" {
        served.route = "/healthz".into();
        return get_only(request.method()).map(|()| healthz());
    }
    if path == openapi::PATH {
        served.route = openapi::PATH.into();
        return get_only(request.method()).map(|()| openapi::respond(service.identities.is_some()));
    }
    let Some(under) = path.strip_prefix("/v0/") else {
        return Err(Problem::new(
            Type::NotFound,
            "there is nothing at this path",
        ));
    };
    let scoped = under
        .strip_prefix("experiments/")
        .filter(|rest| !rest.is_empty());
    let scoped = scoped.map(|rest| rest.find('/').map_or((rest, ""), |at| rest.split_at(at)));
    let (scope, rest) = match scoped {
        Some((scope, rest)) if !scope.is_empty() => (Some(scope.to_owned()), rest.to_owned()),
        _ => (None, String::new()),
    };

    let principal = authenticate(service, request.headers()).await?;
    served.principal = Some(principal.id());
    let Some(scope) = scope else {
        return Err(Problem::new(
            Type::NotFound,
            "there is nothing at this path",
        ));
    };
    let experiment = experiment_of(service, &scope, request.headers()).await?;
    let (endpoint, ids) = match routes::find(&rest, request.method(), service.identities.is_some())
    {
        Found::Endpoint(endpoint, ids) => (endpoint, ids),
        Found::NoPath => {
            return Err(Problem::new(
                Type::NotFound,
                "there is nothing at this path",
            ));
        }
        Found::NoMethod(allowed) => {
            let allowed = HeaderValue::from_str(&allowed).expect("names of methods are tokens");
            let problem = Problem::plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path has other methods; the header Allow names them",
            );
            return Err(problem.with_header(ALLOW, allowed));
        }
    };
    served.route = format!("/v0/experiments/{{E}}{}", endpoint.path).into();
    let at_home = principal
        .experiment()
        .is_none_or(|home| *home == experiment.id);
    if !at_home || !endpoint.who.allows(principal.class()) {
        return Err(Problem::new(
            Type::Forbidden,
            "this credential may not do this here",
        ));
    }
    let (parts, body) = request.into_parts();
    let admitted = Admitted {
        principal,
        experiment,
        parts,
        body,
    };
    match endpoint.handler {
        Handler::ReadExperiment => experiment::read(&admitted),
        Handler::Deposit => deposit::deposit(service, admitted).await,
        Handler::Fetch => fetch::fetch(service, admitted).await,
        Handler::IdentityStore(identity) => {
            identity::answer(service, identity, ids, admitted).await
        }
    }
}

/// What is outside of every experiment is there to be read, by everybody.
fn get_only(method: &Method) -> Result<(), Problem> {
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    let problem = Problem::plain(StatusCode::METHOD_NOT_ALLOWED, "this path has GET only");
    Err(problem.with_header(ALLOW, HeaderValue::from_static("GET, HEAD")))
}

fn healthz() -> Response {
    let mut response = Response::new(Body::from("ok"));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response.headers_mut().insert(CONTENT_LENGTH, 2.into());
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn authenticate(service: &Service, headers: &HeaderMap) -> Result<Principal, Problem> {
    let credential = Credential::from_headers(headers)?;
    Ok(service.authenticate.authenticate(&credential).await?)
}

/// The experiment of the path, which the header must repeat letter for letter and this server must
/// host.
async fn experiment_of(
    service: &Service,
    scope: &str,
    headers: &HeaderMap,
) -> Result<Experiment, Problem> {
    let mismatch = |detail| Problem::new(Type::ExperimentIdMismatch, detail);
    let mut values = headers.get_all(EXPERIMENT_HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => return Err(mismatch("the header X-Eden-Experiment-Id is missing")),
        (Some(_), Some(_)) => {
            return Err(mismatch(
                "there is more than one header X-Eden-Experiment-Id",
            ));
        }
        (Some(value), None) if value.as_bytes() != scope.as_bytes() => {
            return Err(mismatch(
                "the header X-Eden-Experiment-Id is not the path's experiment",
            ));
        }
        (Some(_), None) => {}
    }
    let unknown = || mismatch("this server does not host that experiment");
    let id = ExperimentId::from_str(scope).map_err(|_| unknown())?;
    service.store.experiment(&id).await?.ok_or_else(unknown)
}
