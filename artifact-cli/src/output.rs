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

/// Returns a number of things as text, such as `1 file`.
pub(crate) fn number_of(number: impl TryInto<u64>, noun: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Escapes what is invisible or changes how other text is shown, in text from other users, so that it fits on one line of a
/// terminal: control characters, those that set the direction, line separators, unassigned ones, and the backslash, so that the
/// result is unambiguous. All other text is unchanged, also combining marks and the parts of emoji.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        if is_shown(before, c) {
            shown.push(c);
            before = Some(c);
        } else {
            // A filler counts as a letter there.
            if c.escape_debug().eq([c]) {
                shown.extend(c.escape_unicode());
            } else {
                shown.extend(c.escape_debug());
            }
            before = None;
        }
    }
    shown
}

/// Returns whether a character can be printed after another one, which is `None` at the beginning and after an escape.
fn is_shown(before: Option<char>, c: char) -> bool {
    match c {
        ' '..='~' => c != '\\',
        // Line separators, and what has no shape.
        '\u{2028}'
        | '\u{2029}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{3164}'
        | '\u{ffa0}' => false,
        // They choose the shape of the character before, and so are visible only after one.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
            before.is_some_and(|before| !is_selector(before) && !is_joiner(before))
        }
        _ if is_joiner(c) => before.is_some_and(|before| !before.is_ascii() && !is_joiner(before)),
        _ if c.is_control() => false,
        // Wide, narrow and unbreakable spaces.
        _ if c.is_whitespace() => true,
        // The tables of `escape_debug` have the characters without a shape. It takes a combining mark for one only at the
        // beginning of a text.
        _ => {
            let mut two = [0; 5];
            two[0] = b'x';
            let length = c.encode_utf8(&mut two[1..]).len();
            let two = str::from_utf8(&two[..=length]).unwrap_or_default();
            let is_known = two.escape_debug().eq(two.chars());
            is_known && (before.is_some() || c.escape_debug().eq([c]))
        }
    }
}

/// Returns whether a character joins or separates those beside it: U+200C and U+200D.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
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
        for hidden in [
            "\u{7f}",
            "\u{9b}",
            "\u{85}",
            "\u{200b}",
            "\u{200e}",
            "\u{2028}",
            "\u{2066}",
            "\u{3164}",
            "\u{ad}",
            "\u{e0041}",
            "\u{feff}",
            "\u{378}",
            "\u{e000}",
        ] {
            let shown = printable(&format!("a{hidden}b"));
            assert!(shown.starts_with(r"a\u{") && shown.is_ascii(), "{shown}");
        }
        // Where they have nothing to act on.
        for hidden in [
            "\u{301}",
            "\u{fe0f}",
            "a\u{200d}",
            "\u{200d}",
            "\u{2764}\u{fe0f}\u{fe0f}",
        ] {
            assert!(printable(hidden).contains(r"\u{"), "{hidden:?}");
        }
    }

    #[test]
    fn text_of_every_script_is_unchanged() {
        for text in [
            "e\u{301}te\u{301}.txt",
            "\u{915}\u{94d}\u{937}\u{93f}",
            "\u{1f469}\u{200d}\u{1f4bb} \u{2764}\u{fe0f}\u{200d}\u{1f525} 1\u{fe0f}\u{20e3}",
            "\u{6cc}\u{200c}\u{6a9}",
            "\u{65e5}\u{672c}\u{3000}\u{8a9e}\u{e0100}",
            "at 1.02\u{202f}PM\u{a0}.png",
            "it's \"quoted\"",
        ] {
            assert_eq!(printable(text), text, "{text:?}");
        }
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
