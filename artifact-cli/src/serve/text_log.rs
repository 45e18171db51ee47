//! The log as text. Lines about requests look like all others and are written by a shorter way. Each event is one line,
//! whatever its fields contain, and an error includes all its causes.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::log_value::{is_plain, write_now, write_number, write_quoted};
use crate::failure;

/// The target of the lines about requests.
const REQUEST: &str = "artifact::request";

/// Formats events as [`Format`] does.
#[derive(Debug, Default)]
pub(crate) struct TextLog(Format<Full>);

impl<S, N> FormatEvent<S, N> for TextLog
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let is_request = metadata.target() == REQUEST && *metadata.level() == Level::INFO;
        if !is_request || writer.has_ansi_escapes() || context.lookup_current().is_some() {
            return self.0.format_event(context, writer, event);
        }
        write_now(&mut writer)?;
        writer.write_str("  INFO ")?;
        writer.write_str(REQUEST)?;
        writer.write_char(':')?;
        writer.write_char(' ')?;
        write_fields(&mut writer, event)?;
        writer.write_char('\n')
    }
}

/// Formats the fields of events and spans. Every request has a span.
///
/// For a terminal it is [`DefaultFields`]. Otherwise the fields are the same, except that an error is one quoted text with
/// all its causes, that control characters are escaped, and that a value of any type is in quotes if it has spaces or quotes.
#[derive(Debug, Default)]
pub(crate) struct TextFields(DefaultFields);

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        if writer.has_ansi_escapes() {
            return self.0.format_fields(writer, fields);
        }
        write_fields(&mut writer, fields)
    }
}

fn write_fields(writer: &mut impl Write, fields: impl RecordFields) -> fmt::Result {
    let mut fields_to = Fields {
        writer,
        is_first: true,
        outcome: Ok(()),
    };
    fields.record(&mut fields_to);
    fields_to.outcome
}

/// Writes `name=value` for each field, with a space between two.
struct Fields<'w, W> {
    writer: &'w mut W,
    is_first: bool,
    outcome: fmt::Result,
}

impl<W: Write> Fields<'_, W> {
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut W) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = (|| {
                if !std::mem::replace(&mut self.is_first, false) {
                    self.writer.write_char(' ')?;
                }
                if field.name() != "message" {
                    self.writer.write_str(field.name())?;
                    self.writer.write_char('=')?;
                }
                write(self.writer)
            })();
        }
    }
}

/// Writes text, with control characters escaped: a name or a message must not look like another line.
struct OneLine<'w, W>(&'w mut W);

impl<W: Write> Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (before, after) = rest.split_at(at);
            self.0.write_str(before)?;
            let mut characters = after.chars();
            for control in characters.by_ref().take(1) {
                write!(self.0, "{}", control.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Writes a text in quotes.
fn write_text(text: &str, writer: &mut impl Write) -> fmt::Result {
    if is_plain(text) {
        write_quoted(text, writer)
    } else {
        write!(writer, "{text:?}")
    }
}

/// Writes a value that only its type can format. It is in quotes if it could be taken for several fields otherwise.
fn write_value(value: &dyn fmt::Debug, writer: &mut impl Write) -> fmt::Result {
    thread_local! {
        /// A buffer for the text, because every request has such values.
        static BUFFER: Cell<String> = const { Cell::new(String::new()) };
    }
    // The value may log something itself, which then gets a buffer of its own.
    let mut text = BUFFER.take();
    text.clear();
    let written = write!(text, "{value:?}").and_then(|()| {
        if is_one_word(&text) || is_quoted(&text) {
            writer.write_str(&text)
        } else {
            write_text(&text, writer)
        }
    });
    BUFFER.set(text);
    written
}

/// Returns whether a text needs no quotes.
fn is_one_word(text: &str) -> bool {
    let separates = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '"';
    !text.is_empty() && !text.contains(separates)
}

/// Returns whether a text is in quotes already, as [`Debug`](fmt::Debug) writes a string.
fn is_quoted(text: &str) -> bool {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.is_some_and(|inner| {
        let mut is_escaped = false;
        let is_text = inner.chars().all(|letter| {
            let is_allowed = is_escaped || letter != '"';
            is_escaped = letter == '\\' && !is_escaped;
            is_allowed && !letter.is_control()
        });
        is_text && !is_escaped
    })
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.put(field, |writer| write!(OneLine(writer), "{value:?}"));
        } else {
            self.put(field, |writer| write_value(value, writer));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, |writer| write_text(&failure::chain(value), writer));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |writer| write_text(value, writer));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |writer| write_number(value, writer));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::anyhow;

    use super::super::captured::captured;
    use super::*;

    /// Logs the line of a request, and other lines.
    fn log() {
        tracing::info!(
            target: "artifact::request",
            request_id = %"id-1",
            principal = Some("admin"),
            method = "odd \"quoted\" \n",
            status = None::<u16>,
            bytes_out = 4096_u64,
            cut = true,
        );
        let span =
            tracing::error_span!("request", id = 7, name = "x", more = tracing::field::Empty);
        span.record("more", 1.5);
        span.in_scope(|| {
            tracing::info!(target: "artifact::request", status = 200);
            tracing::warn!(error = "x", "failed");
        });
        tracing::warn!(target: "artifact::request", status = 500);
        // The id of an external principal.
        let id = "alice\" status=200 \\ \u{fc} principal=\"admin";
        tracing::info!(target: "artifact::request", principal = Some(id));
    }

    /// Returns the lines without their times.
    fn without_times(lines: &str) -> Vec<&str> {
        lines
            .lines()
            .map(|line| line.split_once('Z').expect("a time ends with Z").1)
            .collect()
    }

    /// Returns the lines that this format makes.
    fn logged(log: impl FnOnce()) -> String {
        captured(
            |lines| {
                tracing_subscriber::fmt()
                    .with_ansi(false)
                    .event_format(TextLog::default())
                    .fmt_fields(TextFields::default())
                    .with_writer(lines)
                    .finish()
            },
            log,
        )
    }

    #[test]
    fn an_error_includes_all_its_causes_and_cannot_make_a_second_line() {
        let inner = anyhow!("inner\n2026-01-02T03:04:05Z ERROR forged \u{1b}[1m");
        let outer = inner.context("middle").context("outer");
        let lines = logged(|| {
            let error: &dyn Error = outer.as_ref();
            let span = tracing::error_span!("request", error);
            let _entered = span.enter();
            tracing::warn!(error, name = %"a\nb", "said {}", "c\r\nd\u{9b}\u{fc}");
            tracing::warn!(target: "artifact::request", error = &io::Error::other("x") as &dyn Error);
        });
        let [first, second] = without_times(&lines)[..] else {
            panic!("{lines}");
        };
        let error = r#"error="outer: middle: inner\n2026-01-02T03:04:05Z ERROR forged \u{1b}[1m""#;
        let expected = format!(
            r#"  WARN request{{{error}}}: artifact::serve::text_log::tests: said c\r\nd\u{{9b}}\u{{fc}} {error} name="a\nb""#
        );
        assert_eq!(first, expected.replace(r"\u{fc}", "\u{fc}"));
        assert!(
            second.ends_with(r#": artifact::request: error="x""#),
            "{second}"
        );
    }

    #[test]
    fn a_value_of_any_type_is_in_quotes_if_it_is_not_one_word() {
        /// Text that only `Display` has.
        struct Shown(&'static str);

        impl fmt::Display for Shown {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.0)
            }
        }

        for (value, expected) in [
            ("word", "word"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("a=b", "a=b"),
            (r"a\b", r"a\b"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("x status=200", r#""x status=200""#),
            ("tab\there", r#""tab\there""#),
            ("a\"b", r#""a\"b""#),
            (r#""quoted text""#, r#""quoted text""#),
            (r#""a" status="b""#, r#""\"a\" status=\"b\"""#),
            (r#""a\""#, r#""\"a\\\"""#),
            ("\"", r#""\"""#),
        ] {
            let shown = Shown(value);
            let lines = logged(|| tracing::warn!(reason = %shown, next = 1, "said this"));
            let expected = format!("tests: said this reason={expected} next=1\n");
            assert!(lines.ends_with(&expected), "{lines} for {expected}");
        }
        let lines =
            logged(|| tracing::warn!(list = ?["a", "b"], name = ?"a b", none = ?None::<u8>));
        assert!(
            lines.ends_with("tests: list=\"[\\\"a\\\", \\\"b\\\"]\" name=\"a b\" none=None\n"),
            "{lines}"
        );
    }

    #[test]
    fn every_line_is_that_of_the_default_format() {
        let ours = logged(log);
        let default = captured(
            |lines| {
                tracing_subscriber::fmt()
                    .with_ansi(false)
                    .with_writer(lines)
                    .finish()
            },
            log,
        );
        assert_eq!(without_times(&ours), without_times(&default));
        assert_eq!(without_times(&ours).len(), 5);
        let (time, _) = ours.split_once('Z').unwrap();
        assert_eq!(time.len(), "2026-01-02T03:04:05.000006".len());
    }
}
