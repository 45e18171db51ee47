//! Errors toward clients: RFC 9457 problem details, from one table.

use artifact_backend::BoxError;
use artifact_store::{ErrorKind, Operation};
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::authenticate::AuthenticateError;
use crate::verified::CORRUPT_BLOB;

/// The closed vocabulary of `eden://error/...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    BadRequest,
    ExperimentIdMismatch,
    Unauthorized,
    Forbidden,
    NotFound,
    PayloadTooLarge,
    AlreadyExists,
    ReservedIdentifier,
    InvalidName,
    CycleDetected,
}

impl Type {
    /// The table: name, status, title.
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "Malformed request"),
            Self::ExperimentIdMismatch => (
                "experiment-id-mismatch",
                StatusCode::BAD_REQUEST,
                "Experiment does not match",
            ),
            Self::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "No valid credential",
            ),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "Not allowed"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::PayloadTooLarge => (
                "payload-too-large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "Artifact too large",
            ),
            Self::AlreadyExists => ("already-exists", StatusCode::CONFLICT, "Already exists"),
            Self::ReservedIdentifier => {
                ("reserved-identifier", StatusCode::CONFLICT, "Reserved name")
            }
            Self::InvalidName => (
                "invalid-name",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid name",
            ),
            Self::CycleDetected => ("cycle-detected", StatusCode::CONFLICT, "Cycle of groups"),
        }
    }
}

/// What went wrong, in a client's words, and for the log what caused it.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Option<Type>,
    status: StatusCode,
    /// For the client: no internals.
    detail: String,
    /// For the log: the whole chain.
    source: Option<BoxError>,
    /// For the log: what the operator must look into.
    alarm: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Envelope<'p> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'p str,
    instance: &'p str,
}

impl Problem {
    /// A problem that the vocabulary has a name for.
    pub(crate) fn new(kind: Type, detail: impl Into<String>) -> Self {
        Self {
            kind: Some(kind),
            status: kind.row().1,
            detail: detail.into(),
            source: None,
            alarm: None,
            headers: Vec::new(),
        }
    }

    /// What HTTP itself answers and the vocabulary has no name for: `about:blank` (RFC 9457, 4.2.1).
    pub(crate) fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: None,
            status,
            detail: detail.into(),
            source: None,
            alarm: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Type::BadRequest, detail)
    }

    /// The one answer to every credential that is not valid, so that nothing tells them apart.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            Type::Unauthorized,
            "a valid credential is needed: Authorization: Bearer <principal>:<secret>",
        )
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(crate) fn unavailable(detail: &str) -> Self {
        Self::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{detail}; try again"),
        )
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The client sends too slowly, or nothing any more.
    pub(crate) fn slow() -> Self {
        Self::plain(
            StatusCode::REQUEST_TIMEOUT,
            "the request did not come in time",
        )
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// A fault of ours. Its cause is for the log.
    pub(crate) fn internal(what: &'static str) -> Self {
        Self::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server could not do this; its operator finds the reason in the log",
        )
        .with_source(BoxError::from(what))
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The answer, and a line in the log where an operator can do something about it.
    pub(crate) fn respond(self, instance: &str) -> Response {
        let Self {
            kind,
            status,
            detail,
            source,
            alarm,
            headers,
        } = self;
        let (name, title) = match kind {
            Some(kind) => {
                let (name, _, title) = kind.row();
                (format!("eden://error/{name}"), title)
            }
            None => (
                "about:blank".to_owned(),
                status.canonical_reason().unwrap_or("Error"),
            ),
        };
        let cause = source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static));
        // A limit that was reached has no cause, and no operator must look for one.
        if status.is_server_error() && cause.is_some() {
            tracing::error!(status = status.as_u16(), alarm, cause, "{detail}");
        } else {
            tracing::debug!(status = status.as_u16(), cause, "{detail}");
        }
        let envelope = Envelope {
            r#type: name,
            title,
            status: status.as_u16(),
            detail: &detail,
            instance,
        };
        let body = serde_json::to_vec(&envelope).expect("texts and a number are JSON");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let fields = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json; charset=utf-8");
        fields.insert(CONTENT_TYPE, problem);
        fields.insert(CONTENT_LENGTH, body.len().into());
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.extend(headers);
        *response.body_mut() = Body::from(body);
        response
    }
}

impl From<artifact_store::Error> for Problem {
    /// The table from the store's kinds to answers.
    fn from(error: artifact_store::Error) -> Self {
        let problem = match error.kind() {
            ErrorKind::NotFound => Self::new(
                Type::NotFound,
                match error.operation() {
                    Operation::WriteWorker => "there is no such worker",
                    Operation::WriteGroup => "there is no such group",
                    _ => "there is no such artifact",
                },
            ),
            ErrorKind::Forbidden => Self::new(
                Type::Forbidden,
                "only the artifact's depositor and administrators may read it",
            ),
            ErrorKind::AlreadyExists => Self::new(Type::AlreadyExists, "this id is taken"),
            ErrorKind::Reserved => Self::new(
                Type::ReservedIdentifier,
                "this name is reserved, and what has it from the beginning stays",
            ),
            ErrorKind::Cycle => {
                Self::new(Type::CycleDetected, "the group would be a member of itself")
            }
            ErrorKind::TooLarge => Self::new(
                Type::PayloadTooLarge,
                "the artifact is larger than this server takes",
            ),
            ErrorKind::InvalidRange => Self::plain(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "the range holds no byte of it",
            ),
            ErrorKind::Unavailable => Self::unavailable("the server cannot do this now"),
            ErrorKind::OutOfSpace => Self::plain(
                StatusCode::INSUFFICIENT_STORAGE,
                "the server has no room for this; its operator must make some",
            ),
            ErrorKind::Corrupt => Self {
                alarm: Some(match error.operation() {
                    Operation::Read => CORRUPT_BLOB,
                    _ => "corrupt-rows",
                }),
                ..Self::internal("what is stored is damaged or lost")
            },
            _ => Self::internal("the store failed"),
        };
        problem.with_source(error)
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Rejected => Self::unauthorized(),
            AuthenticateError::Busy => {
                Self::unavailable("as many credentials are being checked as may be at once")
            }
            AuthenticateError::Unavailable(source) => {
                Self::unavailable("credentials cannot be checked now").with_source(source)
            }
        }
    }
}
