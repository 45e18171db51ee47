//! The position up to which no further row appears.
//!
//! A transaction takes the position of a row before it commits, so a row can become visible after another one
//! with a higher position. A page that ended between the two would skip it for ever. So a page ends at a
//! settled position: each transaction that took this one or a lower one has ended.
//!
//! A transaction that inserts rows locks the table before it takes a position, and until its end, also while its
//! commit waits for a standby. So if the last position is read first, and then the locks, then every
//! transaction with a position up to that one has ended or is among the owners of the locks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::try_join;
use tokio::time::{Instant, sleep};

use super::PostgresDatabase;
use super::connections::Connection;
use super::error::Failure;
use super::scan::NumberRecord;
use super::transaction::read_all;
use crate::database::sql::{Columns, Lane, Param, Record, SqlDatabase as _, params};
use crate::error::{ErrorKind, Operation, Result};

/// The last position that was taken.
const SELECT_LAST: &str =
    "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM artifact_rows_seq";
/// The transactions that may insert rows.
const SELECT_INSERTING: &str = "\
    SELECT virtualtransaction FROM pg_catalog.pg_locks \
    WHERE locktype = 'relation' AND relation = 'artifact_rows'::regclass \
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
        AND mode = 'RowExclusiveLock' AND granted";
/// The position of the last row up to a settled position.
const SELECT_LAST_ROW: &str = "\
    SELECT seq FROM artifact_rows WHERE removed_at IS NULL AND seq <= $1 ORDER BY seq DESC LIMIT 1";

/// How long a page waits for transactions to end.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// The pause before the transactions are read again; each later pause is twice as long, up to the limit.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// A settled position that this process knows.
///
/// It is that of a row, and so durable: after a crash of the server, the sequence continues after it, but
/// not after a position that no committed row has.
#[derive(Debug, Default)]
pub(super) struct Settled(AtomicI64);

impl Settled {
    pub(super) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The name of a transaction in `pg_locks`.
#[derive(Debug)]
struct TransactionRecord(String);

impl Record for TransactionRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.text(0).map(Self)
    }
}

impl PostgresDatabase {
    /// Waits until the rows with the positions taken so far are visible or never will be, and returns the
    /// position of the last one.
    pub(super) async fn settle(&self) -> Result<i64> {
        let began = Instant::now();
        let first = self
            .connections()
            .retry(|client| Box::pin(async move { last_and_inserting(client).await }));
        let (last, mut inserting) = first
            .await
            .map_err(|failure| failure.into_error(Operation::ListRows))?;
        let mut pause = FIRST_PAUSE;
        while !inserting.is_empty() {
            if began.elapsed() >= MAX_WAIT {
                let failure = Failure::new(
                    ErrorKind::Unavailable,
                    "a transaction has been writing rows for two seconds; retry, or look for it in pg_stat_activity",
                );
                return Err(failure.into_error(Operation::ListRows));
            }
            sleep(pause).await;
            pause = MAX_PAUSE.min(pause * 2);
            let still: Vec<TransactionRecord> = self
                .query_in(Lane::Lookup, Operation::ListRows, SELECT_INSERTING, [])
                .await?;
            let still: HashSet<_> = still.into_iter().map(|found| found.0).collect();
            inserting.retain(|transaction| still.contains(transaction));
        }
        let row: Option<NumberRecord> = self
            .query_one(Operation::ListRows, SELECT_LAST_ROW, params![last])
            .await?;
        let settled = row.map_or(0, |row| row.0);
        let known = self.settled.get();
        if known > last {
            // The database lost what this process has seen, for example by a failover to a standby that
            // was behind. Its positions are taken again.
            self.settled.0.store(settled, Ordering::Relaxed);
        } else {
            self.settled.0.fetch_max(settled, Ordering::Relaxed);
        }
        Ok(settled)
    }
}

/// Sends both queries at once, after both are prepared. The server runs the second one after the first.
async fn last_and_inserting(client: &Connection) -> Result<(i64, HashSet<String>), Failure> {
    let select_last = client.prepare_cached(SELECT_LAST).await?;
    let select_inserting = client.prepare_cached(SELECT_INSERTING).await?;
    let last = async {
        let rows = client.query_raw(&select_last, [] as [&Param; 0]).await?;
        read_all::<NumberRecord>(rows).await
    };
    let inserting = async {
        let rows = client
            .query_raw(&select_inserting, [] as [&Param; 0])
            .await?;
        read_all::<TransactionRecord>(rows).await
    };
    let (last, inserting) = try_join(last, inserting).await?;
    Ok((
        last.last().map_or(0, |last| last.0),
        inserting.into_iter().map(|found| found.0).collect(),
    ))
}
