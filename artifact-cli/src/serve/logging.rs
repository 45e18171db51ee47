//! The log, on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::EnvFilter;

use super::json_log::JsonLog;
use super::plan::Plan;
use crate::output;

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Begins logging. Called once.
pub(crate) fn init(plan: &Plan, no_color: bool) {
    let filter = EnvFilter::builder().parse_lossy(&plan.log);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match plan.log_format {
        LogFormat::Text => log
            .with_ansi(output::stderr_is_terminal() && !no_color)
            .init(),
        LogFormat::Json => log.fmt_fields(JsonLog).event_format(JsonLog).init(),
    }
    panic::set_hook(Box::new(log_panic));
}

/// A panic as a line of the log, like everything else. Where from is told if `RUST_BACKTRACE` says so.
fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        location,
        backtrace,
        "panicked: {}",
        info.payload_as_str().unwrap_or("without a word")
    );
}
