//! What the server adds for this router: its own responses as problems (RFC 9457), and route and
//! principal in the request log.

use std::net::IpAddr;

use artifact_http::{HttpConfig, RequestInfo};
use artifact_server::{Hooks, Rejection, RequestLabels};
use artifact_store::PrincipalId;
use axum::body::to_bytes;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Extensions, HeaderMap, Request, Response};
use tracing::Span;

use super::traces;

/// Maximum size of a problem's body in bytes; far more than any has.
const MAX_PROBLEM: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct ProblemHooks {
    config: HttpConfig,
    /// Whether requests get the address of the client, for the audit log.
    passes_client: bool,
}

/// The address of the other end of a connection, in the extensions of its requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientAddress(pub(super) IpAddr);

impl ProblemHooks {
    pub(crate) fn new(config: HttpConfig) -> Self {
        Self {
            config,
            passes_client: false,
        }
    }

    /// Gives requests the address of their client.
    pub(super) fn with_client(mut self, passes: bool) -> Self {
        self.passes_client = passes;
        self
    }
}

impl Hooks for ProblemHooks {
    fn reject(&self, rejection: Rejection, request: Option<&Request<()>>) -> Response<Bytes> {
        let refusal = match rejection {
            Rejection::Malformed => artifact_http::Refusal::Malformed,
            Rejection::InvalidHost => artifact_http::Refusal::InvalidHost,
            Rejection::AmbiguousFraming => artifact_http::Refusal::AmbiguousFraming,
            Rejection::BodyTooLarge => artifact_http::Refusal::BodyTooLarge,
            Rejection::Timeout => artifact_http::Refusal::Slow,
            Rejection::UriTooLong => artifact_http::Refusal::UriTooLong,
            Rejection::HeaderTooLarge => artifact_http::Refusal::HeaderTooLarge,
            Rejection::TooManyConnections => artifact_http::Refusal::Busy,
            _ => artifact_http::Refusal::Internal,
        };
        let response = match request {
            Some(request) => refusal.answer(request, &self.config),
            None => refusal.answer_without_request(&self.config),
        };
        // A problem's body is in memory, so it is ready at once.
        response.map(|body| {
            let body = to_bytes(body, MAX_PROBLEM).now_or_never();
            body.and_then(Result::ok).unwrap_or_default()
        })
    }

    fn prepare(&self, peer: Option<IpAddr>, request: &mut Extensions) {
        if let Some(address) = peer.filter(|_| self.passes_client) {
            request.insert(ClientAddress(address));
        }
    }

    fn begin_trace(&self, span: &Span, request: &HeaderMap) {
        traces::set_parent(span, request);
    }

    fn name_trace(&self, span: &Span, method: &'static str, route: &str) {
        traces::rename(span, method, route);
    }

    fn labels(&self, response: &Extensions) -> RequestLabels {
        let Some(info) = response.get::<RequestInfo>() else {
            return RequestLabels::default();
        };
        RequestLabels {
            route: info.route().into(),
            principal: info.principal().map(|id| match id {
                PrincipalId::Admin => PrincipalId::ADMIN.into(),
                id => id.to_string().into(),
            }),
            experiment: info.experiment().map(|id| id.as_str().to_owned().into()),
            artifact: info.artifact().map(|id| id.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_are_problems_with_the_status_of_the_rejection() {
        let config = HttpConfig::default().with_public_url("https://files.example");
        let hooks = ProblemHooks::new(config);
        for rejection in [
            Rejection::Malformed,
            Rejection::InvalidHost,
            Rejection::AmbiguousFraming,
            Rejection::BodyTooLarge,
            Rejection::Timeout,
            Rejection::UriTooLong,
            Rejection::HeaderTooLarge,
            Rejection::Panic,
            Rejection::TooManyConnections,
        ] {
            let mut request = Request::new(());
            *request.uri_mut() = "/x".parse().unwrap();
            for (request, path) in [(None, "/"), (Some(&request), "/x")] {
                let response = hooks.reject(rejection, request);
                assert_eq!(response.status(), rejection.status());
                let kind = response.headers().get("content-type").unwrap();
                assert_eq!(kind, "application/problem+json; charset=utf-8");
                let retry = response.headers().contains_key("retry-after");
                assert_eq!(retry, rejection == Rejection::TooManyConnections);
                let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
                assert_eq!(problem["status"], rejection.status().as_u16());
                let instance = format!("https://files.example{path}");
                assert_eq!(problem["instance"], instance);
            }
        }
    }
}
