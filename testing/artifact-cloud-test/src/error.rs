//! Why there is no store to test against.

use std::io;

/// The result of starting or asking a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no store to test against.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server's program is not on this machine.
    #[error("{program} is not installed; `bash .ci/cloud-servers {install}` installs it")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// What `.ci/cloud-servers` calls it.
        install: &'static str,
    },
    /// A server ended, or did not serve in time.
    #[error("{server} does not serve: {why}\nthe end of what it said:\n{log}")]
    NotReady {
        /// Which one.
        server: String,
        /// What the last try met.
        why: String,
        /// The end of its output.
        log: String,
    },
    /// A store answered something else than it should have.
    #[error("{action}: the store answered {status}: {body}")]
    Refused {
        /// What it was asked.
        action: String,
        /// Its status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// The operating system refused.
    #[error("{action}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A request could not be made.
    #[error("{action}")]
    Request {
        /// What was being asked.
        action: String,
        /// Why it failed.
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
