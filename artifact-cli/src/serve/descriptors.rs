//! The limit on open descriptors, which connections and files share.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For everything but connections and the blobs that they move.
const RESERVE: u64 = 64;

/// Raises the process's limit to what it may be raised to, and gives how many connections fit below
/// it: each may have one file open.
pub(crate) fn connections_that_fit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // None: there is no limit.
    let Some(current) = current else {
        return wanted;
    };
    let fit = usize::try_from(current.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX);
    if fit < wanted {
        tracing::warn!(
            wanted,
            fit,
            "the limit on open files leaves room for fewer connections; raise it (ulimit -n)"
        );
    }
    wanted.min(fit.max(1))
}
