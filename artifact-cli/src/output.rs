//! The only access to the terminal: data goes to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::failure;

/// Prints a line of data to standard output.
pub(crate) fn data(line: impl Display) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(failure::stdout_error)
}

/// Prints a line for people to standard error. Ignores a failed write.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
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
