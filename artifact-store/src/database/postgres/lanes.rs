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
}

impl Lanes {
    pub(super) const DEFAULT: usize = 13;
    /// The check for poolers needs two connections for queries at a time.
    const MIN: usize = 4;

    pub(super) fn of(options: &PostgresOptions) -> Result<Self> {
        let all = options.max_connections;
        if all < Self::MIN {
            return Err(misconfigured(format!(
                "a PostgreSQL database needs at least {} connections, not {all}; raise \
                 PostgresOptions::with_max_connections",
                Self::MIN
            )));
        }
        let credentials = (all - 1) / 3;
        let queries = all - 1 - credentials;
        Ok(Self {
            queries,
            credentials,
        })
    }
}
