//! The process's limit on open files, which connections and files share.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything except connections and the files that they use.
const RESERVE: u64 = 64;

/// Raises the process's soft limit on open files (`RLIMIT_NOFILE`) to the hard limit. Returns how many
/// connections fit below it, at most `max_connections`.
///
/// Two descriptors are counted per connection, a socket and a file; 64 are kept in reserve. A warning
/// is logged if fewer than `max_connections` fit.
pub fn raise_open_file_limit(max_connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let Some(current) = current else {
        // Unlimited.
        return max_connections;
    };
    let fit = usize::try_from(current.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX);
    if fit < max_connections {
        tracing::warn!(
            max_connections,
            fit,
            "the limit on open files allows fewer connections; raise it (ulimit -n)"
        );
    }
    max_connections.min(fit.max(1))
}
