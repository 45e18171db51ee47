//! What the handles of a log share with its appender.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{AuditError, AuditErrorKind};
use crate::log::AuditHead;
use crate::options::{AuditOptions, OnFailure};

/// Gets what became of a line or a request. It is dropped without a value if the appender ends first.
pub(crate) type Answer = oneshot::Sender<Result<(), AuditError>>;

/// A line that waits for the appender, which gives it its place in the chain.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) time: String,
    pub(crate) members: String,
    /// `None` if no request waits for the line.
    pub(crate) answer: Option<Answer>,
}

/// What else the appender is asked for.
#[derive(Debug)]
pub(crate) enum Task {
    /// Puts all lines on disk.
    Flush(Answer),
    /// Begins a new file.
    Reopen(Answer),
    /// Writes the last line and ends.
    Close(Option<Answer>),
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Entry>,
    tasks: VecDeque<Task>,
    /// Whether the log cannot be written now.
    failing: bool,
    /// Whether the appender has ended, or ends.
    closed: bool,
    /// The number of lines that were lost because the queue was full.
    lost: u64,
    /// The last line that is on disk.
    head: Option<AuditHead>,
}

/// What the appender does next.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) entries: Vec<Entry>,
    /// Comes after the entries.
    pub(crate) task: Option<Task>,
    /// The number of lines that were lost after the entries.
    pub(crate) lost: u64,
}

/// The queue of lines, and the state of the log.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) path: PathBuf,
    pub(crate) options: AuditOptions,
    state: Mutex<State>,
    wake: Condvar,
}

impl Queue {
    pub(crate) fn new(path: PathBuf, options: AuditOptions, head: AuditHead) -> Self {
        let state = State {
            head: Some(head),
            ..State::default()
        };
        Self {
            path,
            options,
            state: Mutex::new(state),
            wake: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn error(&self, kind: AuditErrorKind) -> AuditError {
        AuditError::new(kind, &self.path)
    }

    /// Returns whether requests may go on: an error if they must be refused.
    pub(crate) fn check(&self) -> Result<(), AuditError> {
        let state = self.state();
        if self.options.on_failure == OnFailure::Continue {
            return Ok(());
        }
        if state.closed {
            return Err(self.error(AuditErrorKind::Closed));
        }
        if state.failing || state.queue.len() >= self.options.max_queue {
            return Err(self.error(AuditErrorKind::Unavailable));
        }
        Ok(())
    }

    /// Adds a line. Returns what became of it, if that is already known; then `entry.answer` is not used.
    pub(crate) fn push(&self, mut entry: Entry) -> Option<Result<(), AuditError>> {
        let mut state = self.state();
        let goes_on = self.options.on_failure == OnFailure::Continue;
        if state.closed {
            return Some(if goes_on {
                Ok(())
            } else {
                Err(self.error(AuditErrorKind::Closed))
            });
        }
        if goes_on && state.queue.len() >= self.options.max_queue {
            state.lost += 1;
            return Some(Ok(()));
        }
        let waits = entry.answer.is_some();
        let known = (state.failing && waits).then(|| {
            entry.answer = None;
            self.outcome_of_failure()
        });
        state.queue.push_back(entry);
        drop(state);
        self.wake.notify_one();
        known
    }

    /// Adds a task. If the appender has ended, the task is dropped.
    pub(crate) fn push_task(&self, task: Task) {
        let mut state = self.state();
        if !state.closed {
            state.tasks.push_back(task);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Waits for lines or a task until a time. While the log is `failing`, lines stay in the queue.
    pub(crate) fn wait(&self, until: Option<Instant>, max_entries: usize) -> Work {
        let mut state = self.state();
        loop {
            let has_lines = !state.queue.is_empty() || state.lost > 0;
            let can_write = has_lines && !state.failing;
            if can_write || !state.tasks.is_empty() {
                let count = if can_write {
                    state.queue.len().min(max_entries)
                } else {
                    0
                };
                let entries = state.queue.drain(..count).collect();
                let is_empty = state.queue.is_empty() || state.failing;
                let lost = if can_write && is_empty {
                    std::mem::take(&mut state.lost)
                } else {
                    0
                };
                let task = if is_empty {
                    state.tasks.pop_front()
                } else {
                    None
                };
                return Work {
                    entries,
                    task,
                    lost,
                };
            }
            let Some(until) = until else {
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Work::default();
            }
            let (woken, _) = self
                .wake
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
        }
    }

    /// Records that the log cannot be written. Requests that wait for lines in the queue are answered; the lines stay.
    pub(crate) fn begin_failing(&self) {
        let mut state = self.state();
        state.failing = true;
        let waiting: Vec<_> = state
            .queue
            .iter_mut()
            .filter_map(|entry| entry.answer.take())
            .collect();
        drop(state);
        for answer in waiting {
            // A request that is gone needs no answer.
            let _ = answer.send(self.outcome_of_failure());
        }
    }

    pub(crate) fn end_failing(&self) {
        self.state().failing = false;
    }

    /// Returns what a request that waits for a line learns if the line cannot be written now.
    pub(crate) fn outcome_of_failure(&self) -> Result<(), AuditError> {
        match self.options.on_failure {
            OnFailure::Refuse => Err(self.error(AuditErrorKind::Unavailable)),
            OnFailure::Continue => Ok(()),
        }
    }

    pub(crate) fn set_head(&self, head: AuditHead) {
        self.state().head = Some(head);
    }

    pub(crate) fn head(&self) -> Option<AuditHead> {
        self.state().head.clone()
    }

    /// Returns the number of lines that are lost if the log ends now: those in the queue, and those that found no room in it.
    pub(crate) fn unwritten(&self) -> u64 {
        let state = self.state();
        state.queue.len() as u64 + state.lost
    }

    /// Ends the queue. Lines that are still in it are lost, and the requests that wait for them get an error. Returns their
    /// number, with those that found no room in the queue.
    pub(crate) fn close(&self) -> u64 {
        let mut state = self.state();
        state.closed = true;
        let lost = std::mem::take(&mut state.lost);
        let (queue, tasks) = (
            std::mem::take(&mut state.queue),
            std::mem::take(&mut state.tasks),
        );
        drop(state);
        drop(tasks);
        queue.len() as u64 + lost
    }
}
