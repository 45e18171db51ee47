//! The signals that stop the process, or reload its certificate.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Catches SIGTERM and Ctrl-C from its creation on.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Catches SIGHUP, or leaves it its default effect.
#[derive(Debug)]
pub(crate) struct Hangup(Option<Signal>);

impl Hangup {
    /// Catches SIGHUP from now on if `caught` is true. Otherwise it ends the process, as by default.
    pub(crate) fn new(caught: bool) -> Result<Self> {
        let signal = caught.then(|| signal(SignalKind::hangup())).transpose();
        Ok(Self(signal.context("cannot catch signals")?))
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
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
    /// Catches the signals from now on.
    pub(crate) fn new() -> Result<Self> {
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
