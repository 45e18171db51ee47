//! Errors that end the process: the exit code, and one line that says what to do.

use std::fmt;
use std::io;

use crate::signals::End;

/// An error in a setting, an address or a folder, found before the command did any work. Its exit code is
/// 2, like that of clap's errors.
#[derive(Debug)]
struct Setup(String);

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Setup {}

/// An exit code without a message.
#[derive(Debug)]
struct Silent(u8);

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Silent {}

/// Creates a setup error. `sentence` is the message and says what to do.
pub(crate) fn setup(sentence: impl Into<String>) -> anyhow::Error {
    Setup(sentence.into()).into()
}

/// Like [`setup`], with the cause of the error.
pub(crate) fn setup_from(
    error: impl Into<anyhow::Error>,
    sentence: impl Into<String>,
) -> anyhow::Error {
    error.into().context(Setup(sentence.into()))
}

/// Ends the process silently because the reader of standard output closed it. The code is 128 + SIGPIPE,
/// which a shell shows for a program that the signal ends.
pub(crate) fn reader_gone() -> anyhow::Error {
    Silent(141).into()
}

/// Ends the process silently after a signal: its sender knows the reason.
pub(crate) fn interrupted(end: End) -> anyhow::Error {
    Silent(end.exit_code()).into()
}

/// Ends the process with this code. The caller has printed why.
pub(crate) fn ended_with(code: u8) -> anyhow::Error {
    Silent(code).into()
}

/// Converts the error of a write to standard output.
pub(crate) fn stdout_error(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        reader_gone()
    } else {
        anyhow::Error::new(error).context("cannot write to standard output")
    }
}

/// Returns the exit code for an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(Silent(code)) = error.downcast_ref() {
        *code
    } else if error.downcast_ref::<Setup>().is_some() {
        2
    } else {
        1
    }
}

/// Returns the line to print for an error, if any.
pub(crate) fn sentence(error: &anyhow::Error) -> Option<String> {
    if error.downcast_ref::<Silent>().is_some() {
        return None;
    }
    Some(chain(error.as_ref()))
}

/// Returns an error and all its causes in one line. A cause that says nothing new is left out: the detail of a response often has the
/// words that the client has for its status.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut line = String::new();
    for cause in causes.map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::sentence;

    #[test]
    fn a_cause_that_says_nothing_new_is_left_out() {
        for (outer, cause, expected) in [
            (
                "fetch: there is no such artifact (status 404)",
                "there is no such artifact",
                "fetch: there is no such artifact (status 404)",
            ),
            (
                "fetch: there is no such artifact (status 404)",
                "there is no file with this name in it",
                "fetch: there is no such artifact (status 404): there is no file with this name in it",
            ),
        ] {
            let error = anyhow!(cause).context(outer);
            assert_eq!(sentence(&error).as_deref(), Some(expected));
        }
    }
}
