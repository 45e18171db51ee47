//! The closed vocabulary of errors, `eden://error/...` by default, and the types of draft-ietf-httpbis-resumable-upload.

use http::StatusCode;

use crate::binding::ErrorPrefix;

/// Where the types begin that do not belong to this protocol.
const IANA: &str = "https://iana.org/";

/// The status that tus has for a wrong checksum. HTTP defines none of this number.
fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).expect("460 is a status code")
}

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
    QuotaExceeded,
    ChecksumMismatch,
    DraftOffsetMismatch,
    DraftCompleted,
    DraftInconsistentLength,
}

impl ProblemType {
    pub(crate) const ALL: [Self; 19] = [
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
        Self::QuotaExceeded,
        Self::ChecksumMismatch,
        Self::DraftOffsetMismatch,
        Self::DraftCompleted,
        Self::DraftInconsistentLength,
    ];

    /// Returns the last part of the member `type`.
    pub(crate) fn name(self) -> &'static str {
        let name = self.row().0;
        name.split_once('#').map_or(name, |(_, name)| name)
    }

    /// Returns the member `type`.
    pub(crate) fn uri(self, prefix: &ErrorPrefix) -> String {
        let name = self.row().0;
        if name.starts_with(IANA) {
            return name.to_owned();
        }
        format!("{}{name}", prefix.as_str())
    }

    pub(crate) fn status(self) -> StatusCode {
        self.row().1
    }

    pub(crate) fn title(self) -> &'static str {
        self.row().2
    }

    /// The table: name, status, title.
    #[rustfmt::skip]
    fn row(self) -> (&'static str, StatusCode, &'static str) {
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
            Self::QuotaExceeded => ("quota-exceeded", StatusCode::INSUFFICIENT_STORAGE, "Quota exceeded"),
            Self::ChecksumMismatch => ("checksum-mismatch", checksum_mismatch(), "Checksum does not match"),
            Self::DraftOffsetMismatch => ("https://iana.org/assignments/http-problem-types#mismatching-upload-offset", StatusCode::CONFLICT, "Mismatching Upload Offset"),
            Self::DraftCompleted => ("https://iana.org/assignments/http-problem-types#completed-upload", StatusCode::BAD_REQUEST, "Upload Is Completed"),
            Self::DraftInconsistentLength => ("https://iana.org/assignments/http-problem-types#inconsistent-upload-length", StatusCode::BAD_REQUEST, "Inconsistent Upload Length Values"),
        }
    }
}
