//! The log as one JSON object per line: time, level, target and message, the fields of the event, and its
//! span. An error includes all its causes, which the JSON format of tracing-subscriber leaves out.

use std::error::Error;
use std::fmt::{self, Write};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::log_value::{is_plain, write_now, write_number, write_quoted};
use crate::failure;

/// Formats events, and the fields of spans.
#[derive(Debug)]
pub(crate) struct JsonLog;

impl<S, N> FormatEvent<S, N> for JsonLog
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
        writer.write_str("{\"timestamp\":\"")?;
        write_now(&mut writer)?;
        let metadata = event.metadata();
        writer.write_str("\",\"level\":\"")?;
        writer.write_str(metadata.level().as_str())?;
        writer.write_str("\",\"target\":")?;
        write_text(metadata.target(), &mut writer)?;
        let mut fields =
            Fields::after_others(&mut writer, &["timestamp", "level", "target", "span"]);
        event.record(&mut fields);
        fields.outcome?;
        if let Some(span) = context.lookup_current() {
            writer.write_str(",\"span\":{\"name\":")?;
            write_text(span.name(), &mut writer)?;
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let members = fields.and_then(|fields| fields.strip_prefix('{')?.strip_suffix('}'));
            if let Some(members) = members.filter(|members| !members.is_empty()) {
                writer.write_char(',')?;
                writer.write_str(members)?;
            }
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for JsonLog {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        writer.write_char('{')?;
        let mut visitor = Fields::first(&mut writer);
        fields.record(&mut visitor);
        visitor.outcome?;
        writer.write_char('}')
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &span::Record<'_>,
    ) -> fmt::Result {
        if current.fields.pop() != Some('}') {
            "{".clone_into(&mut current.fields);
        }
        let is_first = current.fields == "{";
        let mut visitor = Fields {
            is_first,
            ..Fields::first(&mut current.fields)
        };
        fields.record(&mut visitor);
        visitor.outcome?;
        current.fields.push('}');
        Ok(())
    }
}

/// Writes the members of an object. A field with a reserved name is left out.
struct Fields<'w, W> {
    writer: &'w mut W,
    reserved: &'static [&'static str],
    is_first: bool,
    outcome: fmt::Result,
}

impl<'w, W: Write> Fields<'w, W> {
    /// Begins with the first member of a span, whose name is a member of its own.
    fn first(writer: &'w mut W) -> Self {
        Self {
            writer,
            reserved: &["name"],
            is_first: true,
            outcome: Ok(()),
        }
    }

    fn after_others(writer: &'w mut W, reserved: &'static [&'static str]) -> Self {
        Self {
            writer,
            reserved,
            is_first: false,
            outcome: Ok(()),
        }
    }

    fn put(&mut self, field: &Field, write: impl FnOnce(&mut W) -> fmt::Result) {
        if self.outcome.is_err() || self.reserved.contains(&field.name()) {
            return;
        }
        self.outcome = (|| {
            if !std::mem::replace(&mut self.is_first, false) {
                self.writer.write_char(',')?;
            }
            write_text(field.name(), self.writer)?;
            self.writer.write_char(':')?;
            write(self.writer)
        })();
    }
}

/// Writes a string of JSON.
fn write_text(text: &str, writer: &mut impl Write) -> fmt::Result {
    if is_plain(text) {
        write_quoted(text, writer)
    } else {
        write!(writer, "{}", Value::from(text))
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |writer| write_text(&format!("{value:?}"), writer));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |writer| write_text(value, writer));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |writer| write_number(value, writer));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |writer| write!(writer, "{}", Value::from(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, |writer| write_text(&failure::chain(value), writer));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::captured::captured;
    use super::*;

    /// Returns the JSON lines that `log` writes.
    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let text = captured(
            |lines| {
                tracing_subscriber::fmt()
                    .fmt_fields(JsonLog)
                    .event_format(JsonLog)
                    .with_writer(lines)
                    .finish()
            },
            log,
        );
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_event_is_one_object_with_its_span_and_the_causes_of_its_error() {
        let lines = logged(|| {
            let span = tracing::error_span!("request", id = %"a\"b", more = tracing::field::Empty);
            span.record("more", 7);
            let _entered = span.enter();
            let error = Outer(io::Error::other("inner\nline"));
            tracing::error!(
                error = &error as &dyn Error,
                level = "forged",
                number = -1,
                yes = true,
                principal = Some("alice\",\"status\":200,\"\\ \u{fc}"),
                "said {}",
                1
            );
        });
        let [line] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert_eq!(line["error"], "outer: inner\nline");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["principal"], "alice\",\"status\":200,\"\\ \u{fc}");
        assert_eq!(line["message"], "said 1");
        assert_eq!(
            (&line["number"], &line["yes"]),
            (&(-1).into(), &true.into())
        );
        assert_eq!(line["span"]["name"], "request");
        assert_eq!(line["span"]["id"], "a\"b");
        assert_eq!(line["span"]["more"], 7);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(line["target"], module_path!());
    }
}
