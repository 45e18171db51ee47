//! The only access to the terminal: data goes to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use artifact_server::LogWriter;

use crate::failure;

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Writes to standard error, so that nothing waits for it. Before it is set, lines are written directly.
static STDERR: OnceLock<LogWriter> = OnceLock::new();

/// How long the end of the process waits for standard error.
const LAST_FLUSH: Duration = Duration::from_secs(1);

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Starts the thread that writes to standard error. `lost` makes the line that says how many lines could
/// not be written.
pub(crate) fn start_log_thread(lost: impl Fn(u64) -> String + Send + 'static) -> io::Result<()> {
    let writer = LogWriter::start(io::stderr(), lost)?;
    // A second writer could not keep the order of the lines.
    let _ = STDERR.set(writer);
    Ok(())
}

/// Waits until every line is written to standard error, for a second if it takes nothing.
pub(crate) fn flush() {
    flush_within(LAST_FLUSH);
}

/// Waits until every line is written to standard error, for at most `limit`.
pub(crate) fn flush_within(limit: Duration) {
    // Without the server, every line is written directly.
    #[cfg(not(all(feature = "serve", unix, not(artifact_not_unix))))]
    let _ = limit;
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    if let Some(writer) = STDERR.get() {
        writer.flush(limit);
    }
}

/// Standard error. No write fails.
#[derive(Debug)]
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        if let Some(mut writer) = STDERR.get() {
            return writer.write(text);
        }
        let _ = io::stderr().lock().write_all(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints a line of data to standard output, after the lines for people that came before it.
pub(crate) fn data(line: impl Display) -> anyhow::Result<()> {
    flush();
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(failure::stdout_error)
}

/// Prints one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    data(serde_json::to_string(value).context("cannot write the response as JSON")?)
}

/// Writes text to standard output as it is, after the lines for people that came before it.
pub(crate) fn raw(text: &str) -> anyhow::Result<()> {
    flush();
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(failure::stdout_error)
}

/// Prints a line for people to standard error. Ignores a failed write.
pub(crate) fn note(line: impl Display) {
    // In one piece, so that no other line comes between.
    let _ = Stderr.write(format!("{line}\n").as_bytes());
}

/// Prints a warning to standard error.
pub(crate) fn warn(line: impl Display) {
    note(format_args!("warning: {line}"));
}

pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Escapes invisible characters in text from other users, so that it fits on one line of a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Quotes a word for a POSIX shell if it needs quotes.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:=@%+,".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{printable, shell_word};

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(printable("it's na\u{ef}ve"), "it's na\u{ef}ve");
        assert_eq!(printable("a\tb\n\u{202e}\u{1b}"), r"a\tb\n\u{202e}\u{1b}");
        assert_eq!(printable(r"\n"), r"\\n");
    }

    #[test]
    fn words_are_quoted_only_if_needed() {
        assert_eq!(
            shell_word("./artifact-data/admin-token"),
            "./artifact-data/admin-token"
        );
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word("~/x"), "'~/x'");
        assert_eq!(shell_word(""), "''");
    }
}
