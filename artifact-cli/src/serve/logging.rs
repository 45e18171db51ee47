//! The log, on standard error. Neither a failed write nor an output that takes nothing stops a request.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use serde_json::json;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::{Layer, Registry, fmt, prelude::*};

use super::json_log::JsonLog;
use super::log_filter::LogFilter;
use super::text_log::{TextFields, TextLog};
use super::traces::Traces;
use crate::output;
use crate::settings::LogFormat;

/// Starts logging, without traces. Must be called once.
pub(crate) fn init(filter: &str, format: LogFormat, no_color: bool) -> LogFilter {
    init_with(filter, format, no_color, &Traces::none())
}

/// Starts logging and traces. Must be called once.
pub(super) fn init_with(
    filter: &str,
    format: LogFormat,
    no_color: bool,
    traces: &Traces,
) -> LogFilter {
    let log = fmt::layer()
        .with_writer(MakeLine)
        // It would print errors itself, and panic if that fails.
        .log_internal_errors(false);
    let filter = match format {
        LogFormat::Text => start(
            filter,
            traces,
            log.with_ansi(output::stderr_is_terminal() && !no_color)
                .event_format(TextLog::default())
                .fmt_fields(TextFields::default()),
        ),
        LogFormat::Json => start(
            filter,
            traces,
            log.fmt_fields(JsonLog).event_format(JsonLog),
        ),
    };
    panic::set_hook(Box::new(log_panic));
    filter
}

fn start(filter: &str, traces: &Traces, log: impl Layer<Registry> + Send + Sync) -> LogFilter {
    if let Some(traces) = traces.layer() {
        // Traces have spans that the filter of the log leaves out.
        let (filter, replace) = LogFilter::of_log_alone(filter);
        let log = tracing_subscriber::registry().with(log.with_filter(filter));
        log.with(traces).init();
        return replace;
    }
    let (layer, filter) = LogFilter::new(filter);
    tracing_subscriber::registry().with(log).with(layer).init();
    filter
}

/// How long an event waits for the output if its level is `WARN` or `ERROR`. A request then ends after
/// its alarms are written, so that a killed process has logged them.
const ALARM_FLUSH: Duration = Duration::from_millis(20);

/// Makes the writer of one line.
struct MakeLine;

/// Writes one line.
struct Line {
    is_alarm: bool,
}

impl MakeWriter<'_> for MakeLine {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { is_alarm: false }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> Line {
        Line {
            is_alarm: *metadata.level() <= Level::WARN,
        }
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = output::Stderr.write(line)?;
        if self.is_alarm {
            output::flush_within(ALARM_FLUSH);
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the line of the log that says how many lines are missing from it. Made by hand, because
/// an event would be queued behind the lines that came later.
pub(crate) fn lost_lines(format: LogFormat, lines: u64) -> String {
    let message = "lines of the log were lost: standard error failed, or took too long";
    let target = module_path!();
    let mut time = String::new();
    // Writing to a string does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    match format {
        LogFormat::Text => format!("{time}  WARN {target}: {message} lost_lines={lines}\n"),
        LogFormat::Json => {
            let line = json!({
                "timestamp": time, "level": "WARN", "target": target, "message": message,
                "lost_lines": lines,
            });
            format!("{line}\n")
        }
    }
}

/// Logs a panic like any other event, with a backtrace if `RUST_BACKTRACE` asks for it. The process may end
/// with it, so this waits until it is written.
fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        location,
        backtrace,
        "panicked: {}",
        info.payload_as_str().unwrap_or("no message")
    );
    output::flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_lost_lines_is_a_line_like_any_other() {
        let text = lost_lines(LogFormat::Text, 7);
        assert!(
            text.contains("Z  WARN artifact::serve::logging: "),
            "{text}"
        );
        assert!(text.ends_with(" lost_lines=7\n"), "{text}");
        let line = lost_lines(LogFormat::Json, 7);
        assert_eq!(line.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["level"], &line["lost_lines"]),
            (&"WARN".into(), &7.into())
        );
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
