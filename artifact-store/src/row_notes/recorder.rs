//! Records from time to time up to which position the database has all rows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use artifact_backend::NoteLog;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::catch_up::{backend_error, replayed};
use crate::catalog::Catalog;
use crate::error::Result;

/// The time between two records, while there are deposits.
const INTERVAL: Duration = Duration::from_secs(1);
/// The number of deposits since the last record from which on each row gets a sync of its own again. So a replay stays short, also if
/// no position can be recorded.
const MAX_BEHIND: u64 = 1 << 16;

/// The right to write the rows of a store as notes. [`CatchUp::run`](crate::CatchUp::run) returns it: only a database that has
/// caught up may fall behind again. A clone shares its state.
///
/// While it is used, a task records each second up to which position of the backend the database has all rows. So a start after a
/// power cut reads the notes of the last seconds only. Dropping the last clone ends the task.
#[derive(Debug, Clone)]
pub struct RowNotes(Arc<Recorder>);

#[derive(Debug)]
struct Recorder {
    state: Arc<State>,
    task: AbortHandle,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct State {
    /// A clone of it is held by each deposit that may have a note without a row. Replaced at each record.
    open: Mutex<mpsc::Sender<()>>,
    /// The deposits since the last record.
    behind: AtomicU64,
    deposited: Arc<Notify>,
    catalog: Arc<dyn Catalog>,
    log: Arc<dyn NoteLog>,
}

/// A deposit whose note may be durable before its row is written. Dropped when the row is written or refused.
#[derive(Debug)]
#[must_use = "it must last until the row is written"]
pub(crate) struct OpenDeposit {
    _open: mpsc::Sender<()>,
    /// Whether the row needs no sync of its own.
    pub(crate) may_lag: bool,
}

impl RowNotes {
    /// Starts the task. Needs a tokio runtime with a timer.
    pub(super) fn new(catalog: Arc<dyn Catalog>, log: Arc<dyn NoteLog>) -> Self {
        let (open, closed) = mpsc::channel(1);
        let state = Arc::new(State {
            open: Mutex::new(open),
            behind: AtomicU64::new(0),
            deposited: Arc::default(),
            catalog,
            log,
        });
        let recording = Recording {
            state: Arc::downgrade(&state),
            deposited: Arc::clone(&state.deposited),
            closed,
        };
        let task = tokio::spawn(recording.run()).abort_handle();
        Self(Arc::new(Recorder { state, task }))
    }

    /// Begins a deposit. Called before its note is stored.
    pub(crate) fn begin(&self) -> OpenDeposit {
        let state = &self.0.state;
        let open = state.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.clone();
        let behind = state.behind.fetch_add(1, Ordering::Relaxed);
        state.deposited.notify_one();
        OpenDeposit {
            _open: open,
            may_lag: behind < MAX_BEHIND,
        }
    }
}

/// The task that records positions.
struct Recording {
    /// Gone when the last clone of [`RowNotes`] is dropped, so that the task keeps nothing open.
    state: Weak<State>,
    deposited: Arc<Notify>,
    /// Returns `None` once all deposits have ended that began before the last record.
    closed: mpsc::Receiver<()>,
}

impl Recording {
    async fn run(mut self) {
        loop {
            self.deposited.notified().await;
            sleep(INTERVAL).await;
            let Some(state) = self.state.upgrade() else {
                return;
            };
            if let Err(error) = self.record(&state).await {
                tracing::error!(
                    alarm = "row-notes",
                    error = &error as &dyn std::error::Error,
                    "cannot record up to which position the database has all rows; trying again"
                );
                self.deposited.notify_one();
            }
        }
    }

    /// Records the position of this moment, once the rows of all deposits are written whose notes may be before it.
    async fn record(&mut self, state: &State) -> Result<()> {
        // Before the exchange: what begins after it is behind the position.
        let position = state.log.position().await.map_err(backend_error)?;
        let (new, closed) = mpsc::channel(1);
        {
            let mut open = state.open.lock().unwrap_or_else(PoisonError::into_inner);
            *open = new;
        }
        let mut ended = std::mem::replace(&mut self.closed, closed);
        let behind = state.behind.swap(0, Ordering::Relaxed);
        let _ = ended.recv().await;
        let recorded = replayed(&*state.catalog)?.record_replayed(position).await;
        if recorded.is_err() {
            state.behind.fetch_add(behind, Ordering::Relaxed);
        }
        recorded
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::pin::pin;

    use artifact_backend::{NotePosition, NoteReplay};
    use futures_util::poll;
    use jiff::Timestamp;

    use super::*;
    use crate::database::SqliteDatabase;
    use crate::experiment::Experiment;

    /// A log whose position is this number.
    #[derive(Debug, Default)]
    struct Log(AtomicU64);

    fn position(number: u64) -> NotePosition {
        NotePosition::from_bytes(u128::from(number).to_be_bytes())
    }

    #[async_trait::async_trait]
    impl NoteLog for Log {
        fn has_notes(&self) -> bool {
            true
        }

        async fn position(&self) -> artifact_backend::Result<NotePosition> {
            Ok(position(self.0.load(Ordering::Relaxed)))
        }

        async fn replay(&self, _: Option<NotePosition>) -> artifact_backend::Result<NoteReplay> {
            unreachable!("nothing is replayed")
        }
    }

    fn recording(catalog: &Arc<SqliteDatabase>, log: &Arc<Log>) -> (RowNotes, Recording) {
        let (open, closed) = mpsc::channel(1);
        let state = Arc::new(State {
            open: Mutex::new(open),
            behind: AtomicU64::new(0),
            deposited: Arc::default(),
            catalog: Arc::clone(catalog) as Arc<dyn Catalog>,
            log: Arc::clone(log) as Arc<dyn NoteLog>,
        });
        let task = tokio::spawn(std::future::ready(())).abort_handle();
        let recorder = Recorder {
            state: Arc::clone(&state),
            task,
        };
        let recording = Recording {
            deposited: Arc::clone(&state.deposited),
            state: Arc::downgrade(&state),
            closed,
        };
        (RowNotes(Arc::new(recorder)), recording)
    }

    #[tokio::test]
    async fn no_position_is_recorded_while_a_row_before_it_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = SqliteDatabase::open(folder.path().join("rows.sqlite")).await;
        let catalog = Arc::new(catalog.unwrap());
        let log = Arc::new(Log::default());
        let (notes, mut recording) = recording(&catalog, &log);
        let recorded = async || {
            let catalog: &dyn Catalog = &*catalog;
            replayed(catalog).unwrap().replayed_to().await.unwrap()
        };
        recording.record(&notes.0.state).await.unwrap();
        assert_eq!(recorded().await, Some(position(0)));

        let early = notes.begin();
        log.0.store(10, Ordering::Relaxed);
        {
            let mut record = pin!(recording.record(&notes.0.state));
            assert!(poll!(record.as_mut()).is_pending());
            // A deposit that begins later has its note behind the position, and does not hold it up.
            let late = notes.begin();
            log.0.store(20, Ordering::Relaxed);
            assert!(poll!(record.as_mut()).is_pending());
            // Writes are done in their order, so one of a position before this one would be done.
            let other = Experiment::new("other".parse().unwrap(), Timestamp::UNIX_EPOCH);
            catalog.create_experiment(&other).await.unwrap();
            assert_eq!(recorded().await, Some(position(0)));
            drop(early);
            record.await.unwrap();
            assert_eq!(recorded().await, Some(position(10)));
            drop(late);
        }
        recording.record(&notes.0.state).await.unwrap();
        assert_eq!(recorded().await, Some(position(20)));
    }

    #[tokio::test]
    async fn rows_need_a_sync_again_when_too_many_are_behind() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = SqliteDatabase::open(folder.path().join("rows.sqlite")).await;
        let catalog = Arc::new(catalog.unwrap());
        let (notes, mut recording) = recording(&catalog, &Arc::new(Log::default()));
        for _ in 0..MAX_BEHIND {
            assert!(notes.begin().may_lag);
        }
        assert!(!notes.begin().may_lag);
        catalog.close().await.unwrap();
        recording.record(&notes.0.state).await.unwrap_err();
        assert!(!notes.begin().may_lag, "nothing was recorded");
    }
}
