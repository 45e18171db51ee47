//! The errors of this crate.

use std::io;

/// The result of starting a store or of a request to it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a store is not available for a test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server's program is not installed on this machine.
    #[error("{program} is not installed; run `bash .ci/cloud-servers {install}`")]
    Missing {
        /// The program.
        program: &'static str,
        /// The argument of `.ci/cloud-servers` that installs it.
        install: &'static str,
    },
    /// A server exited or did not become ready in time.
    #[error("{server} did not become ready: {why}\nthe end of its log:\n{log}")]
    NotReady {
        /// The name of the server.
        server: String,
        /// The result of the last attempt.
        why: String,
        /// The end of its log.
        log: String,
    },
    /// A store rejected a request.
    #[error("{action}: the store responded {status}: {body}")]
    Rejected {
        /// The request.
        action: String,
        /// The status of the response.
        status: u16,
        /// The body of the response.
        body: String,
    },
    /// A system call failed.
    #[error("{action}")]
    Io {
        /// What failed.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A request could not be sent.
    #[error("{action}")]
    Request {
        /// The request.
        action: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    pub(crate) fn request<E>(action: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let action = action.into();
        move |source| Self::Request {
            action,
            source: source.into(),
        }
    }
}
