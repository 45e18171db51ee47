//! The line of the request log, written when a request is over for whatever reason.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::CONTENT_LENGTH;
use http::{Method, Response, Version};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use super::request_body::BodyProgress;
use super::request_id::RequestId;
use crate::hooks::{Hooks, RequestLabels};
use crate::listener::Peer;

/// Collects the fields of the line and logs it on drop.
///
/// No field is a secret, and the client chooses none of them except the request id.
#[derive(Debug)]
pub(super) struct RequestRecord {
    pub(super) id: RequestId,
    /// The span of all log events about this request.
    pub(super) span: Span,
    /// The span of traces, which is open until the response has ended.
    pub(super) trace: Span,
    pub(super) body: Arc<BodyProgress>,
    pub(super) bytes_out: u64,
    peer: Peer,
    method: &'static str,
    labels: RequestLabels,
    status: Option<u16>,
    content_length: Option<u64>,
    ended: bool,
    began: Instant,
}

impl RequestRecord {
    pub(super) fn new(id: RequestId, method: &Method, version: Version, peer: Peer) -> Self {
        Self {
            trace: trace(method_name(method), version),
            span: tracing::error_span!("request", %id),
            id,
            body: Arc::default(),
            bytes_out: 0,
            peer,
            method: method_name(method),
            labels: RequestLabels::default(),
            status: None,
            content_length: None,
            ended: false,
            began: Instant::now(),
        }
    }

    /// Records the head of the response.
    pub(super) fn begin_response<B>(&mut self, response: &Response<B>, hooks: &dyn Hooks) {
        self.labels = hooks.labels(response.extensions());
        let status = response.status();
        self.trace
            .record("http.response.status_code", status.as_u16());
        if self.labels.route != "-" {
            hooks.name_trace(&self.trace, self.method, &self.labels.route);
            self.trace.record("http.route", &*self.labels.route);
        }
        if status.is_server_error() {
            self.trace.record("error.type", status.as_str());
            self.trace.record("otel.status_code", "ERROR");
        }
        // The service answers the broken body of a client that disconnected, and no client reads it.
        let is_gone = status.is_client_error() && self.body.is_cut.load(Ordering::Relaxed);
        self.status = (!is_gone).then_some(status.as_u16());
        self.content_length = response
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
    }

    /// Records whether the response body says that it has ended.
    pub(super) fn record_end(&mut self, ended: bool) {
        self.ended |= ended;
    }

    /// Returns whether the response has as many bytes as its `Content-Length` says.
    pub(super) fn is_complete(&self) -> bool {
        self.content_length == Some(self.bytes_out)
    }

    /// Returns `answered`; `cut` if the response did not reach its end; or `gone` if the client
    /// disconnected before there was a response, or before the end of its request.
    fn outcome(&self) -> &'static str {
        match self.status {
            None => "gone",
            Some(_) if self.ended || self.is_complete() => "answered",
            Some(_) => "cut",
        }
    }
}

/// Opens the span of a request, by the conventions of OpenTelemetry for servers of HTTP. It has neither the path, which can hold the
/// secret of a link, nor the address of the client or who it is.
fn trace(method: &'static str, version: Version) -> Span {
    let version = match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    tracing::debug_span!(
        target: "artifact_server::trace",
        parent: None,
        "http",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        network.protocol.version = version,
        "error.type" = Empty,
    )
}

/// Returns the name of a standard method, or `other`: a client can send any text as a method.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        if self.outcome() != "answered" {
            self.trace.record("error.type", self.outcome());
            self.trace.record("otel.status_code", "ERROR");
        }
        tracing::info!(
            target: "artifact::request",
            request_id = %self.id,
            peer = %self.peer,
            principal = self.labels.principal.as_deref(),
            method = self.method,
            route = &*self.labels.route,
            experiment = self.labels.experiment.as_deref(),
            artifact = self.labels.artifact.as_deref(),
            status = self.status,
            bytes_in = self.body.bytes.load(Ordering::Relaxed),
            bytes_out = self.bytes_out,
            duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            outcome = self.outcome(),
        );
    }
}
