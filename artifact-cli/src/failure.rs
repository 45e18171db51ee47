//! How a failure ends the process: which exit code, and one line that says what to do.

use std::fmt;
use std::io;

use crate::signals::End;

/// Found before anything was done: a setting, an address, a folder. Exit code 2, as clap has it.
#[derive(Debug)]
struct Setup(String);

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Setup {}

/// Ends the process with this code and without a word.
#[derive(Debug)]
struct Silent(u8);

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Silent {}

/// A failure found before anything was done, in one sentence that says what to do.
pub(crate) fn setup(sentence: impl Into<String>) -> anyhow::Error {
    Setup(sentence.into()).into()
}

/// The same, with what lies below it.
pub(crate) fn setup_from(
    error: impl Into<anyhow::Error>,
    sentence: impl Into<String>,
) -> anyhow::Error {
    error.into().context(Setup(sentence.into()))
}

/// Whoever read our standard output has gone, which is no news to anybody: 128 + SIGPIPE, which is
/// what a shell shows for a program that the signal ends.
pub(crate) fn reader_gone() -> anyhow::Error {
    Silent(141).into()
}

/// Ended by a signal, which its sender knows.
pub(crate) fn interrupted(end: End) -> anyhow::Error {
    Silent(end.exit_code()).into()
}

/// A write to standard output that failed.
pub(crate) fn stdout_error(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        reader_gone()
    } else {
        anyhow::Error::new(error).context("cannot write to standard output")
    }
}

/// The exit code that a failure stands for.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(Silent(code)) = error.downcast_ref() {
        *code
    } else if error.downcast_ref::<Setup>().is_some() {
        2
    } else {
        1
    }
}

/// What is printed of a failure: one line, or nothing.
pub(crate) fn sentence(error: &anyhow::Error) -> Option<String> {
    if error.downcast_ref::<Silent>().is_some() {
        return None;
    }
    let layers: Vec<_> = error.chain().map(ToString::to_string).collect();
    Some(layers.join(": "))
}

/// Returns an error and all its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
