//! The log, on standard error.

use tracing_subscriber::EnvFilter;

use super::plan::Plan;
use crate::output;

/// Begins logging. Called once.
pub(crate) fn init(plan: &Plan, no_color: bool) {
    let filter = EnvFilter::builder().parse_lossy(&plan.log);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output::stderr_is_terminal() && !no_color)
        .with_writer(std::io::stderr)
        .init();
}
