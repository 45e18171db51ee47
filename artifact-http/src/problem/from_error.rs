//! Maps errors of the store and of the authenticator to problems.

use artifact_store::{Error, ErrorKind, Operation, QuotaShortage};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::{Problem, ProblemType};
use crate::authenticate::AuthenticateError;

/// The name of the alarm for damaged or contradictory rows.
const CORRUPT_ROWS: &str = "corrupt-rows";

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let operation = error.operation();
        let problem = match error.kind() {
            ErrorKind::NotFound if operation == Operation::Collection => {
                Self::new(ProblemType::NotFound, error.detail())
            }
            ErrorKind::Forbidden if operation == Operation::Collection => {
                Self::new(ProblemType::Forbidden, error.detail())
            }
            ErrorKind::Held if operation == Operation::Collection => {
                Self::new(ProblemType::Held, error.detail())
            }
            ErrorKind::NameTaken => Self::new(ProblemType::AlreadyExists, error.detail()),
            ErrorKind::Sealed => Self::new(ProblemType::Sealed, error.detail()),
            ErrorKind::NotFound if operation == Operation::Receipt => {
                Self::new(ProblemType::NotFound, error.detail())
            }
            ErrorKind::NotFound => Self::new(
                ProblemType::NotFound,
                match operation {
                    // Which of them: artifact, worker, group, grant or link.
                    Operation::Share if !error.detail().is_empty() => error.detail(),
                    Operation::WriteWorker => "there is no such worker",
                    Operation::WriteGroup => "there is no such group",
                    Operation::WriteAdministrator => "there is no such administrator",
                    _ => "there is no such artifact",
                },
            ),
            ErrorKind::Forbidden => Self::new(
                ProblemType::Forbidden,
                match operation {
                    Operation::ListRows => "only administrators may list what others deposited",
                    Operation::DeleteRow => {
                        "only the artifact's depositor and the administrator may delete it"
                    }
                    Operation::Hold => "only the administrator may place and release holds",
                    Operation::Experiment => "only the administrator may manage experiments",
                    Operation::Retention => "only the administrator may set the retention",
                    Operation::Share => {
                        "only the artifact's depositor and administrators may share it"
                    }
                    Operation::Quota => {
                        "only the administrator may set quotas, and others see only their own"
                    }
                    _ => "only the artifact's depositor and administrators may read it",
                },
            ),
            ErrorKind::Held => Self::new(
                ProblemType::Held,
                "a hold is on the artifact; the administrator can release it",
            ),
            ErrorKind::KeyReused => Self::new(ProblemType::KeyReused, error.detail()),
            // No operator must act, so neither has a source for the log.
            ErrorKind::QuotaExceeded => {
                let problem = Self::new(ProblemType::QuotaExceeded, error.detail());
                return problem.retried_if_it_may_fit(&error);
            }
            ErrorKind::TooManyInFlight => {
                return Self::plain(StatusCode::TOO_MANY_REQUESTS, error.detail())
                    .with_header(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            ErrorKind::AlreadyExists => {
                Self::new(ProblemType::AlreadyExists, "the id is already in use")
            }
            ErrorKind::Reserved => Self::new(
                ProblemType::ReservedIdentifier,
                "the name is reserved; its holder cannot be replaced or deleted",
            ),
            ErrorKind::Cycle => Self::new(
                ProblemType::CycleDetected,
                "the change would make the group a member of itself",
            ),
            ErrorKind::TooLarge if operation == Operation::WriteGroup => {
                Self::bad_request(error.detail())
            }
            ErrorKind::TooLarge if operation == Operation::Share => {
                Self::plain(StatusCode::CONFLICT, error.detail())
            }
            ErrorKind::TooLarge => Self::new(
                ProblemType::PayloadTooLarge,
                "the artifact is larger than this server accepts",
            ),
            ErrorKind::DigestMismatch => {
                Self::bad_request("the part is not what its Content-Digest or Repr-Digest says")
            }
            ErrorKind::InvalidRange => Self::plain(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "the range contains no byte of the artifact",
            ),
            ErrorKind::Unavailable => Self::unavailable("the server cannot do this now; try again"),
            ErrorKind::OutOfSpace => return Self::out_of_space(error),
            // The store raises the alarm, once for each damaged blob.
            ErrorKind::Corrupt if operation == Operation::Read => {
                Self::internal("a stored blob is damaged or lost")
            }
            ErrorKind::Corrupt => {
                Self::internal("stored rows are damaged or lost").with_alarm(CORRUPT_ROWS)
            }
            _ => Self::internal("the store failed"),
        };
        problem.with_source(error)
    }
}

impl Problem {
    /// Below the minimum of free space no call has failed, and the store has raised the alarm once, so the log does not need each
    /// refusal.
    fn out_of_space(error: Error) -> Self {
        let problem = Self::plain(
            StatusCode::INSUFFICIENT_STORAGE,
            "the server is out of space, or below its minimum of free space; its operator must free some",
        );
        if std::error::Error::source(&error).is_none() {
            return problem;
        }
        problem.with_source(error)
    }

    /// Adds `Retry-After` if a deposit that a quota refused fits once other deposits in progress have ended.
    #[must_use = "returns the changed problem"]
    pub(crate) fn retried_if_it_may_fit(self, error: &Error) -> Self {
        let shortage = std::error::Error::source(error);
        let shortage = shortage.and_then(|source| source.downcast_ref::<QuotaShortage>());
        if shortage.is_some_and(|shortage| shortage.may_fit_later) {
            return self.with_header(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        self
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Rejected => Self::unauthorized(),
            AuthenticateError::MultipleCredentials => Self::bad_request(error.to_string()),
            AuthenticateError::Busy => {
                Self::unavailable("too many credentials are being checked; try again")
            }
            AuthenticateError::Unavailable(source) => {
                Self::unavailable("credentials cannot be checked now; try again")
                    .with_source(source)
            }
        }
    }
}
