//! What a database is like before it is opened for use.

use std::time::Duration;

/// What [`DatabaseUrl::inspect`](crate::DatabaseUrl::inspect) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseReport {
    /// The version of the schema: the number of migrations that were applied. 0 if there is no schema yet.
    pub schema: usize,
    /// The version that this program needs. It migrates an older schema when it opens the database.
    pub needed_schema: usize,
    /// Name and version of the server. `None` for an SQLite file and for memory.
    pub server: Option<String>,
    /// How far the clock of the server is ahead of that of this machine, in milliseconds, to within the round trip. Negative if it
    /// is behind. `None` without a server.
    pub clock_ahead_ms: Option<i64>,
    /// How long one query took over the connection. `None` without a server.
    pub round_trip: Option<Duration>,
    /// Settings of the server with which it loses acknowledged rows in a crash: `fsync` or `full_page_writes`, if they are
    /// off.
    pub unsafe_settings: Vec<String>,
}
