//! The process's limit on open files, which connections and files share.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything except connections and the files that they use.
const RESERVE: u64 = 64;
/// Descriptors of one connection: a socket and a file.
const PER_CONNECTION: u64 = 2;
/// A server with fewer connections than this is of no use.
const MIN_CONNECTIONS: usize = 16;

/// Raises the process's soft limit on open files (`RLIMIT_NOFILE`) to the hard limit. Returns how many
/// connections fit below it, at most `max_connections`.
///
/// Two descriptors are counted per connection, a socket and a file; 64 are kept in reserve. A warning
/// is logged if fewer than `max_connections` fit.
///
/// # Errors
///
/// If neither `max_connections` nor 16 connections fit. The limit was raised as far as possible nevertheless.
pub fn raise_open_file_limit(max_connections: usize) -> Result<usize, TooFewOpenFiles> {
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
        return Ok(max_connections);
    };
    let fit = current.saturating_sub(RESERVE) / PER_CONNECTION;
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    let needed = max_connections.min(MIN_CONNECTIONS);
    if fit < needed {
        return Err(TooFewOpenFiles {
            limit: current,
            needed: RESERVE + PER_CONNECTION * needed as u64,
        });
    }
    if fit < max_connections {
        tracing::warn!(
            max_connections,
            fit,
            "the limit on open files allows fewer connections; raise it (ulimit -n)"
        );
    }
    Ok(max_connections.min(fit))
}

/// The hard limit on open files is too low for a server. `Display` says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFewOpenFiles {
    limit: u64,
    needed: u64,
}

impl fmt::Display for TooFewOpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, needed } = self;
        write!(
            f,
            "this process may have {limit} open files and needs {needed} at least: raise the hard limit (ulimit -Hn, or \
             LimitNOFILE= of a systemd unit)"
        )
    }
}

impl std::error::Error for TooFewOpenFiles {}
