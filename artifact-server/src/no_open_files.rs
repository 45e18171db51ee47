//! The API of `open_files` on systems without a limit that this process could raise.

/// Returns `max_connections`: this system has no limit on open files that this process could raise.
pub fn raise_open_file_limit(max_connections: usize) -> usize {
    max_connections
}
