//! The one line of the log about a request, written when it is over, however that came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact_http::RequestInfo;
use http::Method;
use http::header::CONTENT_LENGTH;
use tokio::time::Instant;
use tracing::Span;

use super::request_id::RequestId;
use crate::serve::listen::Peer;

/// What the line will say. Nothing in it is a secret, and nothing but the id is the client's choice.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: RequestId,
    /// What else is logged while the request is served stands in this span.
    pub(super) span: Span,
    pub(super) bytes_in: Arc<AtomicU64>,
    pub(super) bytes_out: u64,
    peer: Peer,
    method: &'static str,
    served: Option<RequestInfo>,
    status: Option<u16>,
    announced: Option<u64>,
    ended: bool,
    began: Instant,
}

impl Record {
    pub(super) fn new(id: RequestId, method: &Method, peer: Peer) -> Self {
        Self {
            span: tracing::error_span!("request", %id),
            id,
            bytes_in: Arc::default(),
            bytes_out: 0,
            peer,
            method: name(method),
            served: None,
            status: None,
            announced: None,
            ended: false,
            began: Instant::now(),
        }
    }

    /// The answer is known, and begins.
    pub(super) fn answered<B>(&mut self, response: &http::Response<B>) {
        let headers = response.headers();
        self.served = response.extensions().get().cloned();
        self.status = Some(response.status().as_u16());
        self.announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
    }

    /// Whether the body is at its end, as far as it tells.
    pub(super) fn ended(&mut self, ended: bool) {
        self.ended |= ended;
    }

    /// What became of it: `answered`; `cut`, where the answer did not come to its end; `gone`,
    /// where the client went before there was one.
    fn outcome(&self) -> &'static str {
        match self.status {
            None => "gone",
            Some(_) if self.ended || self.announced == Some(self.bytes_out) => "answered",
            Some(_) => "cut",
        }
    }
}

/// A method that is known by its name: others are whatever a client thinks of.
fn name(method: &Method) -> &'static str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    let names = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT",
    ];
    let found = known.iter().position(|known| known == method);
    found.map_or("other", |at| names[at])
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        tracing::info!(
            target: "artifact::request",
            request_id = %self.id,
            peer = %self.peer,
            principal = self.served.as_ref().and_then(RequestInfo::principal).map(artifact_store::PrincipalId::as_str),
            method = self.method,
            route = self.served.as_ref().map_or("-", RequestInfo::route),
            status = self.status,
            bytes_in = self.bytes_in.load(Ordering::Relaxed),
            bytes_out = self.bytes_out,
            duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            outcome = self.outcome(),
        );
    }
}
