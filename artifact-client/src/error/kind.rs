//! Error kinds, and how a response's status and problem type map to them.

use std::fmt;

/// What went wrong, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is invalid (server address, experiment, credential, content type, id, an upload to go on with). Nothing was
    /// sent, except the question whether the server has the upload.
    InvalidInput,
    /// The server does not accept the credential (401). Use another.
    Unauthorized,
    /// The credential is valid but does not allow this operation (403).
    Forbidden,
    /// The server does not host the experiment of this client (`experiment-id-mismatch`).
    WrongExperiment,
    /// No such artifact, worker or group, or no artifact server at this address (404).
    NotFound,
    /// The id is already in use (`already-exists`).
    AlreadyExists,
    /// The server reserves the name for itself (`reserved-identifier`). Choose another.
    ReservedName,
    /// The name is empty, too long, or has characters that cannot be displayed (`invalid-name`).
    InvalidName,
    /// The group would become a member of itself (`cycle-detected`). Nothing was changed.
    Cycle,
    /// A hold is on the artifact, so the server does not remove it (`held`). The admin can release it.
    Held,
    /// The idempotency key belongs to another deposit, or to an artifact that was removed since (`key-reused`). Use a new key.
    KeyReused,
    /// The collection is sealed or is being deleted, so it does not change any more.
    Sealed,
    /// The deposit does not fit into the quota of the depositor or of the experiment (`quota-exceeded`). Remove artifacts, or ask
    /// the admin for more.
    QuotaExceeded,
    /// The artifact is larger than the server accepts (413). The server keeps nothing of it.
    TooLarge,
    /// The range contains no byte of the artifact (416).
    InvalidRange,
    /// The server rejects the request (another 4xx). Sending it again does not help.
    BadRequest,
    /// The server cannot be reached or cannot serve now (408, 429, 502, 503, 504).
    Unavailable,
    /// The certificate of the server is not trusted, has expired, or is for another name. Nothing was sent. Check the
    /// address, or give the certificate that issued it
    /// ([`with_root_certificates`](crate::ClientBuilder::with_root_certificates)).
    Untrusted,
    /// The server has no space left (507). An operator must make space.
    OutOfSpace,
    /// The connection broke or stalled. The server may still have done the operation: a deposit may
    /// exist under a URI that no client received. A fetch can be repeated.
    Interrupted,
    /// The bytes received, or the bytes that the server stored, differ from what was deposited. Discard
    /// them.
    DigestMismatch,
    /// The source of a deposit failed or ended early. The server did not receive a whole artifact
    /// and keeps nothing.
    Source,
    /// The server failed (500 and other 5xx). Its operator's log says more.
    ServerFault,
    /// The response is not from an artifact server: a redirect, an unexpected body or status.
    Protocol,
}

/// The complete error vocabulary of the binding: name, status, kind.
const VOCABULARY: &[(&str, u16, ErrorKind)] = &[
    ("bad-request", 400, ErrorKind::BadRequest),
    ("experiment-id-mismatch", 400, ErrorKind::WrongExperiment),
    ("unauthorized", 401, ErrorKind::Unauthorized),
    ("forbidden", 403, ErrorKind::Forbidden),
    ("worker-not-registered", 403, ErrorKind::Forbidden),
    ("not-found", 404, ErrorKind::NotFound),
    ("already-exists", 409, ErrorKind::AlreadyExists),
    ("cycle-detected", 409, ErrorKind::Cycle),
    ("reserved-identifier", 409, ErrorKind::ReservedName),
    ("held", 409, ErrorKind::Held),
    ("sealed", 409, ErrorKind::Sealed),
    ("payload-too-large", 413, ErrorKind::TooLarge),
    ("invalid-name", 422, ErrorKind::InvalidName),
    ("key-reused", 422, ErrorKind::KeyReused),
    ("quota-exceeded", 507, ErrorKind::QuotaExceeded),
];

impl ErrorKind {
    /// Returns the text of the kind in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "an argument is invalid",
            Self::Unauthorized => "the server does not accept this credential",
            Self::Forbidden => "this credential does not allow the operation",
            Self::WrongExperiment => "the server does not host this experiment",
            Self::NotFound => "not found",
            Self::AlreadyExists => "the id or name is already in use",
            Self::ReservedName => "the server reserves this name",
            Self::InvalidName => "the name is not valid",
            Self::Cycle => "the group would become a member of itself",
            Self::Held => "a hold is on the artifact",
            Self::KeyReused => "the idempotency key belongs to another deposit",
            Self::Sealed => "the collection is sealed",
            Self::QuotaExceeded => "the quota does not allow the deposit",
            Self::TooLarge => "the artifact is larger than the server accepts",
            Self::InvalidRange => "the range contains no byte of the artifact",
            Self::BadRequest => "the server rejects the request",
            Self::Unavailable => "the server cannot be reached or cannot serve now",
            Self::Untrusted => "the certificate of the server is not trusted",
            Self::OutOfSpace => "the server has no space left",
            Self::Interrupted => "the connection broke or stalled",
            Self::DigestMismatch => "the bytes differ from those that were deposited",
            Self::Source => "the source of the deposit cannot be read",
            Self::ServerFault => "the server failed",
            Self::Protocol => "the response is not from an artifact server",
        }
    }

    /// Returns the kind of error that a response without success means. The name of a problem, which is its type without the
    /// prefix, counts only together with its own status; an unknown name has no effect.
    pub(crate) fn of_response(status: u16, name: Option<&str>) -> Self {
        let known = name.and_then(|name| {
            let mut entries = VOCABULARY.iter();
            entries.find(|(known, of, _)| *known == name && *of == status)
        });
        known.map_or_else(|| Self::of_status(status), |(_, _, kind)| *kind)
    }

    const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            413 => Self::TooLarge,
            416 => Self::InvalidRange,
            408 | 429 | 502 | 503 | 504 => Self::Unavailable,
            507 => Self::OutOfSpace,
            400..500 => Self::BadRequest,
            500..600 => Self::ServerFault,
            // Redirects are not followed: they would send the credential to another server.
            _ => Self::Protocol,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vocabulary_names_count_only_with_their_own_status() {
        for (name, status, kind) in VOCABULARY {
            assert_eq!(ErrorKind::of_response(*status, Some(name)), *kind);
            let other = ErrorKind::of_response(500, Some(name));
            assert_eq!(other, ErrorKind::ServerFault, "{name}");
        }
        assert_eq!(VOCABULARY.len(), 15);
    }

    #[test]
    fn without_a_known_type_the_status_decides() {
        for (status, kind) in [
            (301, ErrorKind::Protocol),
            (405, ErrorKind::BadRequest),
            (408, ErrorKind::Unavailable),
            (409, ErrorKind::BadRequest),
            (416, ErrorKind::InvalidRange),
            (422, ErrorKind::BadRequest),
            (429, ErrorKind::Unavailable),
            (501, ErrorKind::ServerFault),
            (503, ErrorKind::Unavailable),
            (507, ErrorKind::OutOfSpace),
        ] {
            for problem in [None, Some("about:blank"), Some("x"), Some("")] {
                assert_eq!(ErrorKind::of_response(status, problem), kind, "{status}");
            }
        }
    }
}
