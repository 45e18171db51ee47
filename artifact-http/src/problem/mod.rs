//! Errors as clients see them: RFC 9457 problem details.

mod broken_body;
mod from_error;
mod problem_type;

use std::error::Error;

use artifact_backend::BoxError;
use axum::response::Response;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

pub(crate) use self::problem_type::ProblemType;
use crate::binding::ErrorPrefix;
use crate::config::HttpConfig;
use crate::response;

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json; charset=utf-8";
/// The `type` of a status that the vocabulary has no name for (RFC 9457, section 4.2.1).
const ABOUT_BLANK: &str = "about:blank";

/// An unsuccessful answer: a text for the client, and texts for the log.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Option<ProblemType>,
    status: StatusCode,
    /// For the client: what is wrong with the request, without internals.
    detail: String,
    log: Log,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The offset of an upload, and the one of the request. In a box, because few problems have them.
    offsets: Option<Box<(u64, u64)>>,
}

/// The operator's side of a problem; never sent to clients.
#[derive(Debug, Default)]
struct Log {
    /// The log's message, if it differs from the client's text.
    message: Option<&'static str>,
    /// The cause, with its whole chain.
    source: Option<BoxError>,
    /// The name of an incident that the operator must look into.
    alarm: Option<&'static str>,
}

/// Problem details (RFC 9457, section 3.1).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem", deny_unknown_fields)]
pub(crate) struct ProblemBody<'p> {
    #[schemars(schema_with = "type_schema")]
    r#type: &'p str,
    /// The meaning of the type.
    #[schemars(extend("examples" = ["Not found"]))]
    title: &'static str,
    #[schemars(range(min = 400, max = 599), extend("examples" = [404]))]
    status: u16,
    /// What is wrong with this request.
    #[schemars(extend("examples" = ["there is no such artifact"]))]
    detail: &'p str,
    /// The absolute URL of the request.
    #[schemars(extend("examples" = ["http://127.0.0.1:8080/v0/experiments/default/nothing"]))]
    instance: &'p str,
    /// The number of bytes that the upload has (U-12).
    #[serde(rename = "expected-offset", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [65536]))]
    expected_offset: Option<u64>,
    /// The Upload-Offset of the request (U-12).
    #[serde(rename = "provided-offset", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [131_072]))]
    provided_offset: Option<u64>,
}

fn type_schema(_: &mut SchemaGenerator) -> Schema {
    let prefix = ErrorPrefix::default();
    let mut types: Vec<_> = ProblemType::ALL.map(|kind| kind.uri(&prefix)).into();
    types.push(ABOUT_BLANK.to_owned());
    json_schema!({ "enum": types })
}

impl Problem {
    /// Creates a problem of the vocabulary.
    pub(crate) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            kind: Some(kind),
            ..Self::plain(kind.status(), detail)
        }
    }

    /// Creates a problem that the vocabulary has no name for.
    pub(crate) fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: None,
            status,
            detail: detail.into(),
            log: Log::default(),
            headers: Vec::new(),
            offsets: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::BadRequest, detail)
    }

    /// The answer to every invalid credential. It does not say why one is invalid. The settings decide
    /// what it says about valid ones.
    pub(crate) fn unauthorized() -> Self {
        Self::new(ProblemType::Unauthorized, "")
    }

    /// Returns whether the problem is the one of the vocabulary.
    pub(crate) fn is_of(&self, kind: ProblemType) -> bool {
        self.kind == Some(kind)
    }

    /// Returns the same problem as the answer to a failed precondition.
    pub(crate) fn into_failed_precondition(self) -> Self {
        Self {
            kind: None,
            status: StatusCode::PRECONDITION_FAILED,
            ..self
        }
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(ProblemType::NotFound, "there is no such path")
    }

    /// 503. The client may try again in a second.
    pub(crate) fn unavailable(detail: &'static str) -> Self {
        Self::plain(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 408. The client sent too slowly, or stopped sending.
    pub(crate) fn slow() -> Self {
        Self::plain(
            StatusCode::REQUEST_TIMEOUT,
            "the request did not arrive in time",
        )
    }

    /// 500. The message goes only to the log.
    pub(crate) fn internal(message: &'static str) -> Self {
        let mut problem = Self::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server failed to do this; its operator finds the reason in the log",
        );
        problem.log.message = Some(message);
        problem
    }

    /// Adds HTTP Basic to the ways of authentication that a 401 lists (RFC 7617, section 2).
    #[must_use = "returns the changed problem"]
    pub(crate) fn with_basic_challenge(self) -> Self {
        if self.kind != Some(ProblemType::Unauthorized) {
            return self;
        }
        let basic = HeaderValue::from_static("Basic realm=\"artifact\", charset=\"UTF-8\"");
        self.with_header(WWW_AUTHENTICATE, basic)
    }

    #[must_use = "returns the changed problem"]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a field, unless the problem has it already.
    #[must_use = "returns the changed problem"]
    pub(crate) fn with_default_header(self, name: HeaderName, value: HeaderValue) -> Self {
        if self.headers.iter().any(|(found, _)| *found == name) {
            return self;
        }
        self.with_header(name, value)
    }

    /// Adds the members of a mismatch of offsets.
    #[must_use = "returns the changed problem"]
    pub(crate) fn with_offsets(mut self, expected: u64, provided: u64) -> Self {
        self.offsets = Some(Box::new((expected, provided)));
        self
    }

    /// Sets the cause for the log.
    #[must_use = "returns the changed problem"]
    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.log.source = Some(source.into());
        self
    }

    /// Names the incident in the log's field `alarm`.
    #[must_use = "returns the changed problem"]
    fn with_alarm(mut self, alarm: &'static str) -> Self {
        self.log.alarm = Some(alarm);
        self
    }

    /// The reasons of problems that the vocabulary has no name for.
    pub(crate) const REASONS: [(StatusCode, &str); 13] = [
        (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
        (StatusCode::REQUEST_TIMEOUT, "request-timeout"),
        (StatusCode::CONFLICT, "conflict"),
        (StatusCode::LENGTH_REQUIRED, "length-required"),
        (StatusCode::PRECONDITION_FAILED, "precondition-failed"),
        (StatusCode::URI_TOO_LONG, "uri-too-long"),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
        (StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable"),
        (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"),
        (StatusCode::INTERNAL_SERVER_ERROR, "internal-error"),
        (StatusCode::NOT_IMPLEMENTED, "not-implemented"),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        (StatusCode::INSUFFICIENT_STORAGE, "out-of-space"),
    ];

    /// Returns the name of the type, or that of the status.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.name().or_else(|| {
            let mut reasons = Self::REASONS.iter();
            let found = reasons.find(|(status, _)| *status == self.status);
            found.map(|(_, name)| *name)
        })
    }

    /// Returns the name of the type, if the vocabulary has one.
    pub(crate) fn name(&self) -> Option<&'static str> {
        self.kind.map(ProblemType::name)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut headers = self.headers.iter();
        headers
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// Returns the response, and logs the problem: as an error if an operator must act.
    pub(crate) fn respond(mut self, instance: &str, config: &HttpConfig) -> Response {
        if self.kind == Some(ProblemType::Unauthorized) {
            let scheme = &config.auth_scheme;
            scheme.hint().clone_into(&mut self.detail);
            let challenge = (WWW_AUTHENTICATE, scheme.challenge().clone());
            self.headers.insert(0, challenge);
        }
        self.write_log();
        let title = self.kind.map_or_else(
            || self.status.canonical_reason().unwrap_or("Error"),
            ProblemType::title,
        );
        let kind = self.kind.map(|kind| kind.uri(&config.error_prefix));
        let body = ProblemBody {
            r#type: kind.as_deref().unwrap_or(ABOUT_BLANK),
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            expected_offset: self.offsets.as_ref().map(|offsets| offsets.0),
            provided_offset: self.offsets.as_ref().map(|offsets| offsets.1),
        };
        let body = serde_json::to_vec(&body).expect("strings and a number are valid JSON");
        let mut response = response::with_body(self.status, MEDIA_TYPE, "no-store", body.into());
        response.headers_mut().extend(self.headers);
        response
    }

    fn write_log(&self) {
        let Log {
            message,
            source,
            alarm,
        } = &self.log;
        let status = self.status.as_u16();
        let cause = source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static));
        // A limit that was reached has neither message nor cause: no operator must act.
        let is_fault = self.status.is_server_error() && (message.is_some() || cause.is_some());
        let message = message.unwrap_or(&self.detail);
        if is_fault {
            tracing::error!(status, alarm, cause, "{message}");
        } else {
            tracing::debug!(status, alarm, cause, "{message}");
        }
    }
}
