//! The signals that ask for the end.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and Ctrl-C, taken from when this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// SIGHUP, where it means something to us.
#[derive(Debug)]
pub(crate) struct Hangup(Option<Signal>);

impl Hangup {
    /// Taken from when this is made; or left to do what it does to every process.
    pub(crate) fn new(taken: bool) -> Result<Self> {
        let signal = taken.then(|| signal(SignalKind::hangup())).transpose();
        Ok(Self(signal.context("signals cannot be taken")?))
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Which one came.
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

    /// What a shell shows for a program that the signal ends: 128 and its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Terminate => 128 + 15,
            Self::Interrupt => 128 + 2,
        }
    }
}

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        let take = |kind| signal(kind).context("signals cannot be taken");
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Terminate,
            _ = self.interrupt.recv() => End::Interrupt,
        }
    }
}
