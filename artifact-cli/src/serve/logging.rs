//! The log, on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::EnvFilter;

use super::json_log::JsonLog;
use super::text_log::{TextFields, TextLog};
use crate::output;
use crate::settings::LogFormat;

/// Starts logging. Must be called once.
pub(crate) fn init(filter: &str, format: LogFormat, no_color: bool) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // The report about a failed write would go to standard error too, and its failure would panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log
            .with_ansi(output::stderr_is_terminal() && !no_color)
            .event_format(TextLog::default())
            .fmt_fields(TextFields::default())
            .init(),
        LogFormat::Json => log.fmt_fields(JsonLog).event_format(JsonLog).init(),
    }
    panic::set_hook(Box::new(log_panic));
}

/// Logs a panic like any other event, with a backtrace if `RUST_BACKTRACE` asks for it.
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
}
