//! The watch of removals, by which the stores of several processes forget what one of them removed.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::ManagedStore;
use crate::catalog::{CatalogInventory, CommitMark, RowPosition};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::store::ArtifactStore;

/// The time between two polls.
const INTERVAL: Duration = Duration::from_millis(300);
/// For how long after the beginning of a poll cached rows are used. The rest of a second is for differences in the speed of
/// clocks.
const FRESH: Duration = Duration::from_millis(900);
/// How long a query may take.
const QUERY_LIMIT: Duration = Duration::from_secs(5);
/// How many removals one query returns.
const PAGE: u32 = 1_000;

impl ManagedStore {
    /// Watches removals by any process on the database, so that this store forgets a removed artifact within a second.
    /// Dropping the handle ends the watch. Drop it before the database is closed.
    ///
    /// A task asks the database every 300 milliseconds for the position of the last removal, and if that has changed, for
    /// the removed ids. On SQLite it first looks at the header of the `-shm` file, in about a microsecond, and asks nothing
    /// if nothing was committed.
    ///
    /// The task also follows the [placement](crate::PlacedBackend) of a store whose blobs can be moved, within a second.
    ///
    /// Cached rows are used only for 0.9 seconds after the beginning of a poll that succeeded. If the database cannot be
    /// asked for longer than that, and after the watch has ended, every row is read from the database until a poll
    /// succeeds again. So a server that is cut off from the database, or was suspended, serves no removed artifact.
    ///
    /// A store without a watch uses its cached rows for ever, which is right if nothing is removed or one process
    /// does everything.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and in the task if the runtime has no timer.
    pub fn watch_removals(&self) -> RemovalWatch {
        self.store.rows().freshness.require();
        let mut watcher = Watcher {
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog),
            position: None,
            seen: None,
            has_failed: false,
            is_behind: false,
        };
        let task = tokio::spawn(async move { watcher.run().await });
        RemovalWatch { task }
    }
}

/// A running watch of removals.
#[derive(Debug)]
#[must_use = "dropping it ends the watch, and cached rows are no longer used"]
pub struct RemovalWatch {
    task: JoinHandle<()>,
}

impl Drop for RemovalWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The state of the task.
#[derive(Debug)]
struct Watcher {
    store: ArtifactStore,
    catalog: Arc<dyn CatalogInventory>,
    /// The store has forgotten every removal up to here. `None` before the first poll.
    position: Option<RowPosition>,
    /// The mark of the database from before the last poll that succeeded.
    seen: Option<CommitMark>,
    has_failed: bool,
    /// The last attempt to follow the placement has failed.
    is_behind: bool,
}

impl Watcher {
    async fn run(&mut self) {
        loop {
            let next = Instant::now() + INTERVAL;
            let reading = self.store.rows().freshness.begin();
            let polled = self.poll().await;
            if polled.is_ok() {
                self.store.rows().freshness.renew(reading, FRESH);
            }
            self.report(polled);
            sleep_until(next).await;
        }
    }

    /// Forgets all that was removed before this call. What was forgotten before an error is not read again.
    async fn poll(&mut self) -> Result<()> {
        let mark = self.catalog.commit_mark();
        if mark.is_some() && mark == self.seen && !self.is_behind {
            return Ok(());
        }
        self.seen = None;
        let last = within_limit(self.catalog.last_removal()).await?;
        let has_changed = self.is_behind || self.position != Some(last);
        let mut position = match self.position {
            Some(position) if position <= last => position,
            // At first, any cached row may have been removed before. Positions go back if the database lost the latest
            // removals, for example by a failover to a standby that was behind, and are then given to others.
            _ => {
                self.store.rows().clear();
                last
            }
        };
        self.position = Some(position);
        // Each change of the placement is followed by a removal, so an idle store asks for neither.
        if has_changed && let Some(placed) = self.store.placed_backend() {
            // It logs its failure. Rows of the caches stay valid whatever the placement is.
            let followed = within_limit(placed.refresh()).await;
            self.is_behind = followed.is_err();
        }
        while position < last {
            let page = within_limit(self.catalog.removals(position, PAGE)).await?;
            for id in &page.ids {
                self.store.forget(*id);
            }
            position = page.next.max(position);
            self.position = Some(position);
            if page.ids.is_empty() {
                break;
            }
        }
        self.seen = mark;
        Ok(())
    }

    /// Logs the first failure and the first success after it.
    fn report(&mut self, polled: Result<()>) {
        match polled {
            Ok(()) if self.has_failed => {
                tracing::info!("removals can be read again; cached rows are used again");
            }
            Err(error) if !self.has_failed => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "removals cannot be read, so cached rows are not used until they can"
            ),
            _ => return,
        }
        self.has_failed = !self.has_failed;
    }
}

/// Drops a query that hangs, so that a later one can succeed.
async fn within_limit<T>(query: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(QUERY_LIMIT, query).await.unwrap_or_else(|_| {
        let detail = format!("the database gave no answer in {} s", QUERY_LIMIT.as_secs());
        Err(Error::new(ErrorKind::Unavailable, Operation::FindRemovals).with_detail(detail))
    })
}
