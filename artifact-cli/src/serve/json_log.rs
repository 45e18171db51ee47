//! The log as one JSON object per line: time, level, target and message, the fields of the event, and its
//! span. An error includes all its causes, which the JSON format of tracing-subscriber leaves out.

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

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
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        event.record(&mut Fields(&mut line));
        let metadata = event.metadata();
        // Last, so that no field of an event can replace one of these.
        line.insert("timestamp".into(), time.into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        if let Some(span) = context.lookup_current() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let fields = fields.and_then(|fields| serde_json::from_str(&fields.fields).ok());
            let mut fields: Map<String, Value> = fields.unwrap_or_default();
            fields.insert("name".into(), span.name().into());
            line.insert("span".into(), fields.into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

impl<'writer> FormatFields<'writer> for JsonLog {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut members = Map::new();
        fields.record(&mut Fields(&mut members));
        write!(writer, "{}", Value::Object(members))
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &span::Record<'_>,
    ) -> fmt::Result {
        let mut members: Map<_, _> = serde_json::from_str(&current.fields).unwrap_or_default();
        fields.record(&mut Fields(&mut members));
        current.fields = Value::Object(members).to_string();
        Ok(())
    }
}

struct Fields<'m>(&'m mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, failure::chain(value));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the JSON lines that `log` writes.
    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonLog)
            .event_format(JsonLog)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let lines = lines.0.lock().unwrap();
        let text = str::from_utf8(&lines).unwrap();
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
                "said {}",
                1
            );
        });
        let [line] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert_eq!(line["error"], "outer: inner\nline");
        assert_eq!(line["level"], "ERROR");
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
