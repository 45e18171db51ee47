//! The log, on standard error.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::{EnvFilter, reload};

use super::json_log::JsonLog;
use crate::output;
use crate::settings::LogFormat;

/// Changes what is logged.
pub(crate) struct LogFilter(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFilter").finish_non_exhaustive()
    }
}

impl LogFilter {
    /// Replaces the filter. The settings have checked its text.
    pub(crate) fn replace(&self, filter: &str) -> anyhow::Result<()> {
        Ok((self.0)(parse(filter))?)
    }
}

fn parse(filter: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(filter)
}

/// Starts logging. Must be called once.
pub(crate) fn init(filter: &str, format: LogFormat, no_color: bool) -> LogFilter {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // The report about a failed write would go to standard error too, and its failure would panic.
        .log_internal_errors(false);
    let filter = match format {
        LogFormat::Text => {
            let log = log
                .with_ansi(output::stderr_is_terminal() && !no_color)
                .with_env_filter(parse(filter))
                .with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            LogFilter(Box::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let log = log
                .fmt_fields(JsonLog)
                .event_format(JsonLog)
                .with_env_filter(parse(filter))
                .with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            LogFilter(Box::new(move |filter| handle.reload(filter)))
        }
    };
    panic::set_hook(Box::new(log_panic));
    filter
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
