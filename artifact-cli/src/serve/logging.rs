//! The log, on standard error.

use tracing_subscriber::EnvFilter;

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
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
