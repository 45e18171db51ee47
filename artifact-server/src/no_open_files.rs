//! The API of `open_files` on systems without a limit that this process could raise.

use std::convert::Infallible;
use std::fmt;

/// Returns `max_connections`: this system has no limit on open files that this process could raise.
///
/// # Errors
///
/// None on this system.
pub fn raise_open_file_limit(max_connections: usize) -> Result<usize, TooFewOpenFiles> {
    Ok(max_connections)
}

/// The hard limit on open files is too low for a server. On this system no value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFewOpenFiles(Infallible);

impl fmt::Display for TooFewOpenFiles {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl std::error::Error for TooFewOpenFiles {}
