//! The closed vocabulary of errors, `eden://error/...` by default.

use http::StatusCode;

use crate::binding::ErrorPrefix;

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
    Held,
    KeyReused,
    OffsetMismatch,
    Sealed,
}

impl ProblemType {
    pub(crate) const ALL: [Self; 14] = [
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
        Self::Held,
        Self::KeyReused,
        Self::OffsetMismatch,
        Self::Sealed,
    ];

    /// Returns the last part of the member `type`.
    pub(crate) const fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns the member `type`.
    pub(crate) fn uri(self, prefix: &ErrorPrefix) -> String {
        format!("{}{}", prefix.as_str(), self.name())
    }

    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }

    pub(crate) const fn title(self) -> &'static str {
        self.row().2
    }

    /// The table: name, status, title.
    #[rustfmt::skip]
    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "Malformed request"),
            Self::ExperimentIdMismatch => ("experiment-id-mismatch", StatusCode::BAD_REQUEST, "Experiment does not match"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "No valid credential"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "Not allowed"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::PayloadTooLarge => ("payload-too-large", StatusCode::PAYLOAD_TOO_LARGE, "Artifact too large"),
            Self::AlreadyExists => ("already-exists", StatusCode::CONFLICT, "Already exists"),
            Self::ReservedIdentifier => ("reserved-identifier", StatusCode::CONFLICT, "Reserved name"),
            Self::InvalidName => ("invalid-name", StatusCode::UNPROCESSABLE_ENTITY, "Invalid name"),
            Self::CycleDetected => ("cycle-detected", StatusCode::CONFLICT, "Cycle of groups"),
            Self::Held => ("held", StatusCode::CONFLICT, "Artifact is held"),
            Self::KeyReused => ("key-reused", StatusCode::UNPROCESSABLE_ENTITY, "Idempotency-Key is already used"),
            Self::OffsetMismatch => ("offset-mismatch", StatusCode::CONFLICT, "Upload has another offset"),
            Self::Sealed => ("sealed", StatusCode::CONFLICT, "Collection is sealed"),
        }
    }
}
