//! The API of `signals` on systems other than Unix: only Ctrl-C stops the process.

use anyhow::Result;

/// Waits for Ctrl-C.
#[derive(Debug)]
pub(crate) struct Signals;

/// What stops the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Interrupt,
    /// Ctrl-C cannot be caught any more, so the process must not go on as if it could.
    Lost,
}

impl End {
    /// Returns the exit code of a program that Ctrl-C ends, as on Unix.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 128 + 2,
            Self::Lost => 1,
        }
    }
}

impl Signals {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "has the signature of the real one"
    )]
    pub(crate) fn new() -> Result<Self> {
        Ok(Self)
    }

    /// Waits for Ctrl-C.
    pub(crate) async fn next(&mut self) -> End {
        tokio::signal::ctrl_c()
            .await
            .map_or(End::Lost, |()| End::Interrupt)
    }
}
