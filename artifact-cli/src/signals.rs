//! The signals that stop the process, or reload some of its settings.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Catches SIGTERM and Ctrl-C from its creation on.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Catches SIGHUP from its creation on, which otherwise ends the process.
#[derive(Debug)]
pub(crate) struct Hangup(Signal);

impl Hangup {
    pub(crate) fn new() -> Result<Self> {
        let signal = signal(SignalKind::hangup());
        signal.map(Self).context("cannot catch signals")
    }

    /// Waits for the next signal. Several signals that arrive meanwhile count as one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// A signal that stops the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Terminate,
    Interrupt,
}

impl End {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "Ctrl-C",
        }
    }

    /// Returns the exit code that a shell shows for a program that the signal ends: 128 plus its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Terminate => 128 + 15,
            Self::Interrupt => 128 + 2,
        }
    }
}

impl Signals {
    /// Catches the signals from now on. Also keeps the process alive when it writes past `ulimit -f`.
    pub(crate) fn new() -> Result<Self> {
        artifact_server::survive_file_size_limit().context("cannot catch signals")?;
        let take = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Terminate,
            _ = self.interrupt.recv() => End::Interrupt,
        }
    }
}
