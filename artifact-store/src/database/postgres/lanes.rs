//! The division of the connections.

use super::{PostgresOptions, misconfigured};
use crate::error::Result;

/// How many connections do what. One more inserts rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes {
    /// Serve everything else.
    pub(super) queries: usize,
    /// Look up credentials. No other query delays them.
    pub(super) credentials: usize,
    /// Serve the background lane. With 0, it shares the connections of the queries.
    pub(super) background: usize,
}

impl Lanes {
    pub(super) const DEFAULT: usize = 14;
    /// The check for poolers needs two connections for queries at a time.
    const MIN: usize = 4;
    /// With fewer, a connection of its own would take too much from the queries.
    const MIN_WITH_BACKGROUND: usize = 8;

    pub(super) fn of(options: &PostgresOptions) -> Result<Self> {
        let all = options.max_connections;
        if all < Self::MIN {
            return Err(misconfigured(format!(
                "a PostgreSQL database needs at least {} connections, not {all}; raise \
                 PostgresOptions::with_max_connections",
                Self::MIN
            )));
        }
        let background = usize::from(all >= Self::MIN_WITH_BACKGROUND);
        let credentials = (all - 1 - background) / 3;
        let queries = all - 1 - credentials - background;
        Ok(Self {
            queries,
            credentials,
            background,
        })
    }
}
