//! The metrics of the endpoints.

use std::collections::HashMap;
use std::sync::OnceLock;

use artifact_backend::metrics::{Level, Metric, describe};
use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram};
use tokio::time::Instant;

use crate::problem::{Problem, ProblemType};

const REQUESTS: Metric = Metric::counter(
    "artifact_http_requests_total",
    &["route", "method", "status"],
    "Requests by the template of their path; `other` for unknown paths and for requests that were refused before routing",
);
const DURATION: Metric = Metric::histogram(
    "artifact_http_request_duration_seconds",
    &["route", "method", "status_class"],
    "Time from the header of a request to the header of its response; that of a deposit includes its body",
);
const REFUSALS: Metric = Metric::counter(
    "artifact_http_refusals_total",
    &["reason"],
    "Requests that were answered with a problem, by its type; by the status if the type is about:blank",
);
const IN_PROGRESS: Metric = Metric::gauge(
    "artifact_http_in_progress",
    &["kind"],
    "Deposits, fetches and lists that have a permit",
);
const LIMIT: Metric = Metric::gauge(
    "artifact_http_in_progress_limit",
    &["kind"],
    "Maximum number of deposits, fetches and lists in progress, if it is limited",
);

/// The metrics of the endpoints.
///
/// They go to the recorder of the facade [`metrics`](https://docs.rs/metrics) that is installed when the router or the service is
/// created; see [`artifact_backend::metrics`]. Without a recorder they cost nearly nothing.
///
/// - `route` is the template of the path with the configured base path, such as `/v0/experiments/{E}/artifacts`, or `other`.
/// - `method` is one of the seven methods that endpoints can have, or `other`. `HEAD` is a method of its own.
/// - `status` is the status code; `gone` if the client disconnected before there was a response; `other` for a code that no endpoint
///   of this crate gives. `status_class` is its first digit with `xx`.
/// - `reason` is the last part of a problem's `type`, such as `not-found`.
///
/// ```
/// use artifact_http::METRICS;
///
/// assert!(METRICS.iter().any(|metric| metric.name == "artifact_http_requests_total"));
/// ```
pub const METRICS: &[Metric] = &[REQUESTS, DURATION, REFUSALS, IN_PROGRESS, LIMIT];

const OTHER: &str = "other";
const GONE: &str = "gone";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The status codes of the endpoints.
#[rustfmt::skip]
const STATUSES: [(u16, &str); 32] = [
    (200, "200"), (201, "201"), (204, "204"), (206, "206"),
    (301, "301"), (302, "302"), (303, "303"), (304, "304"), (307, "307"), (308, "308"),
    (400, "400"), (401, "401"), (403, "403"), (404, "404"), (405, "405"), (408, "408"), (409, "409"), (411, "411"),
    (412, "412"), (413, "413"), (414, "414"), (415, "415"), (416, "416"), (422, "422"), (429, "429"), (431, "431"),
    (460, "460"),
    (500, "500"), (501, "501"), (503, "503"), (504, "504"), (507, "507"),
];

/// What is recorded about requests. A handle is registered when it is first used, and kept.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    /// The templates of the paths, and `other`.
    routes: HashMap<&'static str, RouteMetrics>,
    refusals: HashMap<&'static str, Counter>,
}

/// By the methods of [`METHODS`], and then all others.
#[derive(Debug, Default)]
struct RouteMetrics([OnceLock<Box<MethodMetrics>>; METHODS.len() + 1]);

/// By the codes of [`STATUSES`], then all others, and then requests without a response.
#[derive(Debug)]
struct MethodMetrics([OnceLock<ResponseMetrics>; STATUSES.len() + 2]);

impl Default for MethodMetrics {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }
}

#[derive(Debug)]
struct ResponseMetrics {
    requests: Counter,
    duration: Histogram,
}

impl HttpMetrics {
    pub(crate) fn new(routes: impl Iterator<Item = &'static str>) -> Self {
        describe(&[REQUESTS, DURATION, REFUSALS]);
        let routes = routes.chain([OTHER]);
        let kinds = ProblemType::ALL.map(ProblemType::name);
        let reasons = kinds
            .into_iter()
            .chain(Problem::REASONS.map(|(_, name)| name));
        Self {
            routes: routes
                .map(|route| (route, RouteMetrics::default()))
                .collect(),
            refusals: reasons
                .chain([OTHER])
                .map(|reason| (reason, REFUSALS.register_counter(&[reason])))
                .collect(),
        }
    }

    /// Counts a request that is answered with a problem.
    pub(crate) fn count_refusal(&self, problem: &Problem) {
        let reason = problem.reason().unwrap_or(OTHER);
        if let Some(counter) = self.refusals.get(reason) {
            counter.increment(1);
        }
    }

    fn record(&self, route: &str, method: usize, status: usize, began: Instant) {
        let found = self.routes.get_key_value(route);
        let Some((&route, metrics)) = found.or_else(|| self.routes.get_key_value(OTHER)) else {
            return;
        };
        let metrics = metrics.0[method].get_or_init(Box::default);
        let metrics = metrics.0[status].get_or_init(|| {
            let method = METHODS.get(method).copied().unwrap_or(OTHER);
            ResponseMetrics::register(route, method, status)
        });
        metrics.requests.increment(1);
        metrics.duration.record(began.elapsed());
    }
}

impl ResponseMetrics {
    fn register(route: &'static str, method: &'static str, status: usize) -> Self {
        let (status, class) = match STATUSES.get(status) {
            Some((code, text)) => (*text, class(*code)),
            None if status == STATUSES.len() => (OTHER, OTHER),
            None => (GONE, GONE),
        };
        Self {
            requests: REQUESTS.register_counter(&[route, method, status]),
            duration: DURATION.register_histogram(&[route, method, class]),
        }
    }
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// A request that has no response yet. If this is dropped before [`end`](Self::end), the client is gone.
#[derive(Debug)]
pub(crate) struct MeasuredRequest<'s> {
    /// `None` once it is recorded.
    metrics: Option<&'s HttpMetrics>,
    method: usize,
    began: Instant,
}

impl<'s> MeasuredRequest<'s> {
    pub(crate) fn begin(metrics: Option<&'s HttpMetrics>, method: &Method) -> Self {
        let mut known = METHODS.iter();
        let method = known.position(|known| *known == method.as_str());
        Self {
            metrics,
            method: method.unwrap_or(METHODS.len()),
            began: Instant::now(),
        }
    }

    /// Records the response.
    pub(crate) fn end(mut self, route: &'static str, status: StatusCode) {
        let mut known = STATUSES.iter();
        let status = known.position(|(code, _)| *code == status.as_u16());
        if let Some(metrics) = self.metrics.take() {
            let status = status.unwrap_or(STATUSES.len());
            metrics.record(route, self.method, status, self.began);
        }
    }
}

impl Drop for MeasuredRequest<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.metrics.take() {
            metrics.record(OTHER, self.method, STATUSES.len() + 1, self.began);
        }
    }
}

/// The requests of one kind that have a permit.
#[derive(Debug)]
pub(crate) struct PermitMetrics(Gauge);

impl PermitMetrics {
    /// Registers the gauges. `kind` becomes their label.
    pub(crate) fn new(kind: &'static str, limit: Option<usize>) -> Self {
        describe(&[IN_PROGRESS, LIMIT]);
        if let Some(limit) = limit {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            LIMIT.register_gauge(&[kind]).set(limit);
        }
        Self(IN_PROGRESS.register_gauge(&[kind]))
    }

    /// Counts a request until the value is dropped.
    pub(crate) fn begin(&self) -> Level {
        Level::raise(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_texts_of_their_codes_in_order() {
        for (code, text) in STATUSES {
            assert_eq!(code.to_string(), text);
            assert!(class(code).starts_with(&text[..1]), "{code}");
        }
        assert!(STATUSES.is_sorted());
        for kind in ProblemType::ALL {
            let status = kind.status().as_u16();
            assert!(STATUSES.iter().any(|(code, _)| *code == status), "{status}");
        }
    }
}
