//! The metrics of a server.

use artifact_backend::metrics::{Level, Metric, describe};
use metrics::{Counter, Gauge};

use crate::rejection::Rejection;

const CONNECTIONS: Metric = Metric::gauge(
    "artifact_server_connections",
    &[],
    "Open connections, without those beyond the limit",
);
const CONNECTIONS_LIMIT: Metric = Metric::gauge(
    "artifact_server_connections_limit",
    &[],
    "Maximum number of open connections",
);
const ACCEPTED: Metric = Metric::counter(
    "artifact_server_connections_total",
    &[],
    "Connections that were accepted, also those beyond the limit",
);
const TLS_FAILURES: Metric = Metric::counter(
    "artifact_server_tls_handshake_failures_total",
    &[],
    "TLS handshakes that failed or took too long",
);
const REJECTIONS: Metric = Metric::counter(
    "artifact_server_rejections_total",
    &["reason"],
    "Requests and connections that the server answered by itself, before they reached an endpoint",
);
const IN_PROGRESS: Metric = Metric::gauge(
    "artifact_server_requests_in_progress",
    &[],
    "Requests whose response is not sent to its end",
);
const REQUESTS: Metric = Metric::counter(
    "artifact_server_requests_total",
    &["outcome"],
    "Requests that ended: answered to the end, cut before it, or gone because the client disconnected",
);
const RECEIVED: Metric = Metric::counter(
    "artifact_server_received_bytes_total",
    &[],
    "Bytes of the bodies of requests that endpoints have received",
);
const SENT: Metric = Metric::counter(
    "artifact_server_sent_bytes_total",
    &[],
    "Bytes of the bodies of responses that were handed to connections",
);

/// The metrics of a server, if it [has them](crate::Server::with_metrics).
///
/// They go to the recorder of the facade [`metrics`](https://docs.rs/metrics) that is installed when `with_metrics` is called; see
/// [`artifact_backend::metrics`].
///
/// ```
/// use artifact_server::METRICS;
///
/// assert!(METRICS.iter().any(|metric| metric.name == "artifact_server_connections"));
/// ```
pub const METRICS: &[Metric] = &[
    CONNECTIONS,
    CONNECTIONS_LIMIT,
    ACCEPTED,
    TLS_FAILURES,
    REJECTIONS,
    IN_PROGRESS,
    REQUESTS,
    RECEIVED,
    SENT,
];

/// The reasons of all rejections, in the order of [`position`].
const REASONS: [&str; 9] = [
    "malformed",
    "invalid-host",
    "ambiguous-framing",
    "request-timeout",
    "body-too-large",
    "uri-too-long",
    "header-too-large",
    "panic",
    "too-many-connections",
];

/// The outcomes of all requests, in the order of [`Outcome`].
const OUTCOMES: [&str; 3] = ["answered", "cut", "gone"];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The response was sent to its end.
    Answered,
    /// The response did not reach its end.
    Cut,
    /// The client disconnected before there was a response, or before the end of its request.
    Gone,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

fn position(rejection: Rejection) -> usize {
    match rejection {
        Rejection::Malformed => 0,
        Rejection::InvalidHost => 1,
        Rejection::AmbiguousFraming => 2,
        Rejection::Timeout => 3,
        Rejection::BodyTooLarge => 4,
        Rejection::UriTooLong => 5,
        Rejection::HeaderTooLarge => 6,
        Rejection::Panic => 7,
        Rejection::TooManyConnections => 8,
    }
}

/// The registered metrics of a server.
#[derive(Debug)]
pub(crate) struct ServerMetrics {
    connections: Gauge,
    limit: Gauge,
    pub(crate) accepted: Counter,
    pub(crate) tls_failures: Counter,
    rejections: [Counter; REASONS.len()],
    in_progress: Gauge,
    requests: [Counter; OUTCOMES.len()],
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
}

impl ServerMetrics {
    /// Records nothing.
    pub(crate) fn none() -> Self {
        Self {
            connections: Gauge::noop(),
            limit: Gauge::noop(),
            accepted: Counter::noop(),
            tls_failures: Counter::noop(),
            rejections: REASONS.map(|_| Counter::noop()),
            in_progress: Gauge::noop(),
            requests: OUTCOMES.map(|_| Counter::noop()),
            received: Counter::noop(),
            sent: Counter::noop(),
        }
    }

    pub(crate) fn register() -> Self {
        describe(METRICS);
        Self {
            connections: CONNECTIONS.register_gauge(&[]),
            limit: CONNECTIONS_LIMIT.register_gauge(&[]),
            accepted: ACCEPTED.register_counter(&[]),
            tls_failures: TLS_FAILURES.register_counter(&[]),
            rejections: REASONS.map(|reason| REJECTIONS.register_counter(&[reason])),
            in_progress: IN_PROGRESS.register_gauge(&[]),
            requests: OUTCOMES.map(|outcome| REQUESTS.register_counter(&[outcome])),
            received: RECEIVED.register_counter(&[]),
            sent: SENT.register_counter(&[]),
        }
    }

    pub(crate) fn set_limit(&self, max_connections: usize) {
        let limit = u32::try_from(max_connections).unwrap_or(u32::MAX);
        self.limit.set(limit);
    }

    /// Counts an open connection until the value is dropped.
    pub(crate) fn connection(&self) -> Level {
        Level::raise(&self.connections)
    }

    /// Counts a request in progress until the value is dropped.
    pub(crate) fn request(&self) -> Level {
        Level::raise(&self.in_progress)
    }

    pub(crate) fn count_rejection(&self, rejection: Rejection) {
        self.rejections[position(rejection)].increment(1);
    }

    pub(crate) fn count_request(&self, outcome: Outcome) {
        self.requests[outcome as usize].increment(1);
    }
}
