//! What a failure means for the caller, from the status and the type of a refusal.

use std::fmt;

/// What went wrong, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument cannot be used (server address, experiment, credential, content type, id). Nothing
    /// was sent.
    InvalidInput,
    /// The server does not know this credential (401). Get another.
    Unauthorized,
    /// The credential is good, but not for this (403).
    Forbidden,
    /// The server does not host the experiment of this client (`experiment-id-mismatch`).
    WrongExperiment,
    /// No such artifact, worker or group, or no artifact server at this address (404).
    NotFound,
    /// An id is taken already (`already-exists`).
    AlreadyExists,
    /// The name is one that the server keeps for itself (`reserved-identifier`). Choose another.
    ReservedName,
    /// The name is none (`invalid-name`): empty, too long, or with characters that cannot be shown.
    InvalidName,
    /// The group would become a member of itself (`cycle-detected`). Nothing was changed.
    Cycle,
    /// The artifact is larger than the server takes (413). Nothing was kept of it.
    TooLarge,
    /// The range holds no byte of the artifact (416).
    InvalidRange,
    /// The server refuses the request as it stands (another 4xx). Sending it again is no use.
    BadRequest,
    /// The server cannot be reached, or says that it cannot serve now (408, 429, 502, 503, 504).
    Unavailable,
    /// The server has no room left (507). An operator must make some.
    OutOfSpace,
    /// The connection ended, or stood still, in the middle. What was asked for may have been done all
    /// the same: a deposit under a URI that nobody learnt. A fetch may be made again.
    Interrupted,
    /// What arrived, or what the server counted, is not what was sent. Throw it away.
    DigestMismatch,
    /// What was to be deposited could not be read to its end. The server was not given a whole
    /// artifact and keeps nothing.
    Source,
    /// The server failed in itself (500 and other 5xx). Its operator's log says more.
    ServerFault,
    /// The answer is not what an artifact server says: a redirect, another body, another status.
    Protocol,
}

/// The closed vocabulary of the binding, each name with its status and what it means here.
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
    ("payload-too-large", 413, ErrorKind::TooLarge),
    ("invalid-name", 422, ErrorKind::InvalidName),
];

/// Where the names of the vocabulary stand.
const PREFIX: &str = "eden://error/";

impl ErrorKind {
    /// The kind in words, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "an argument cannot be used",
            Self::Unauthorized => "the server does not know this credential",
            Self::Forbidden => "this credential may not do that",
            Self::WrongExperiment => "the server does not host this experiment",
            Self::NotFound => "there is no such thing",
            Self::AlreadyExists => "there is one of this id already",
            Self::ReservedName => "the server keeps this name for itself",
            Self::InvalidName => "the name cannot be one",
            Self::Cycle => "the group would become a member of itself",
            Self::TooLarge => "the artifact is larger than the server takes",
            Self::InvalidRange => "the range holds no byte of the artifact",
            Self::BadRequest => "the server refuses the request",
            Self::Unavailable => "the server cannot be reached or cannot serve now",
            Self::OutOfSpace => "the server has no room left",
            Self::Interrupted => "the connection ended or stood still in the middle",
            Self::DigestMismatch => "the bytes are not the ones that were deposited",
            Self::Source => "what was to be deposited could not be read",
            Self::ServerFault => "the server failed",
            Self::Protocol => "the answer is not that of an artifact server",
        }
    }

    /// What an answer that is not a success stands for. The type of its problem counts where it goes
    /// with the status; a type that nobody defined, or of another status, changes nothing.
    pub(crate) fn of_answer(status: u16, problem: Option<&str>) -> Self {
        let name = problem.and_then(|kind| kind.strip_prefix(PREFIX));
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
            // A redirect is not followed: it would carry the credential to whom it names.
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
    fn each_name_of_the_vocabulary_has_its_kind_with_its_own_status_only() {
        for (name, status, kind) in VOCABULARY {
            let problem = format!("eden://error/{name}");
            assert_eq!(ErrorKind::of_answer(*status, Some(&problem)), *kind);
            let other = ErrorKind::of_answer(500, Some(&problem));
            assert_eq!(other, ErrorKind::ServerFault, "{name}");
        }
        assert_eq!(VOCABULARY.len(), 11);
    }

    #[test]
    fn without_a_known_type_the_status_says_it() {
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
            for problem in [None, Some("about:blank"), Some("eden://error/x")] {
                assert_eq!(ErrorKind::of_answer(status, problem), kind, "{status}");
            }
        }
    }
}
