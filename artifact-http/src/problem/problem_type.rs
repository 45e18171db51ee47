//! The closed vocabulary of `eden://error/...`.

use http::StatusCode;

/// A name of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemType {
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

impl ProblemType {
    pub(crate) const ALL: [Self; 10] = [
        Self::BadRequest,
        Self::ExperimentIdMismatch,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::PayloadTooLarge,
        Self::AlreadyExists,
        Self::ReservedIdentifier,
        Self::InvalidName,
        Self::CycleDetected,
    ];

    /// The member `type`.
    pub(crate) const fn uri(self) -> &'static str {
        self.row().0
    }

    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }

    pub(crate) const fn title(self) -> &'static str {
        self.row().2
    }

    /// The table: type, status, title.
    #[rustfmt::skip]
    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => ("eden://error/bad-request", StatusCode::BAD_REQUEST, "Malformed request"),
            Self::ExperimentIdMismatch => ("eden://error/experiment-id-mismatch", StatusCode::BAD_REQUEST, "Experiment does not match"),
            Self::Unauthorized => ("eden://error/unauthorized", StatusCode::UNAUTHORIZED, "No valid credential"),
            Self::Forbidden => ("eden://error/forbidden", StatusCode::FORBIDDEN, "Not allowed"),
            Self::NotFound => ("eden://error/not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::PayloadTooLarge => ("eden://error/payload-too-large", StatusCode::PAYLOAD_TOO_LARGE, "Artifact too large"),
            Self::AlreadyExists => ("eden://error/already-exists", StatusCode::CONFLICT, "Already exists"),
            Self::ReservedIdentifier => ("eden://error/reserved-identifier", StatusCode::CONFLICT, "Reserved name"),
            Self::InvalidName => ("eden://error/invalid-name", StatusCode::UNPROCESSABLE_ENTITY, "Invalid name"),
            Self::CycleDetected => ("eden://error/cycle-detected", StatusCode::CONFLICT, "Cycle of groups"),
        }
    }
}
