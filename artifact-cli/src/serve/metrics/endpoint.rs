//! `GET /metrics`.

use std::sync::Arc;

use artifact_http::bearer_token;
use artifact_server::{Hooks, RequestLabels};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body::Body};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};

use super::recorder::Recorder;
use super::samples::Samples;
use super::token::MetricsToken;

pub(crate) const PATH: &str = "/metrics";
/// The text format of Prometheus.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

struct Shared {
    recorder: Recorder,
    samples: Samples,
    token: MetricsToken,
}

/// Returns the only endpoint. Everything else is 404.
pub(super) fn router(recorder: Recorder, samples: Samples, token: MetricsToken) -> Router {
    let shared = Arc::new(Shared {
        recorder,
        samples,
        token,
    });
    Router::new().route(PATH, get(answer)).with_state(shared)
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.token.accepts(bearer_token(&headers).ok().as_ref()) {
        let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        let text = "send the token of --metrics-token-file as a bearer token\n";
        return (StatusCode::UNAUTHORIZED, challenge, text).into_response();
    }
    shared.samples.record().await;
    let mut response = Response::new(Body::from(shared.recorder.render()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Names the route in the request log.
#[derive(Debug)]
pub(super) struct MetricsHooks;

impl Hooks for MetricsHooks {
    fn labels(&self, _: &Extensions) -> RequestLabels {
        RequestLabels {
            route: PATH.into(),
            is_probe: true,
            ..RequestLabels::default()
        }
    }
}
