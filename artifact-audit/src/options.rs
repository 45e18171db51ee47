//! Settings of an audit log.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{Clock, SystemClock};

/// Which lines are on disk before their actions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AuditSync {
    /// Those of actions that [change](crate::AuditKind::is_change) who may do what, or remove something. The others follow
    /// within [`with_delay`](AuditOptions::with_delay).
    #[default]
    Changes,
    /// All lines.
    All,
}

/// What happens to requests while the log cannot be written, for example because the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// Requests are refused: [`check`](crate::AuditLog::check) fails, and so does [`Recorded::wait`](crate::Recorded::wait). The
    /// lines of actions that were begun before are kept in memory and written as soon as that works again. The default,
    /// because a log with gaps cannot prove that something was not done.
    #[default]
    Refuse,
    /// Requests go on. Lines wait in the queue; once it is full, they are lost, and a line of the log says how many.
    Continue,
}

/// Settings of an audit log.
#[derive(Debug, Clone)]
#[must_use = "settings have no effect until a log is opened with them"]
pub struct AuditOptions {
    pub(crate) sync: AuditSync,
    pub(crate) on_failure: OnFailure,
    pub(crate) delay: Duration,
    pub(crate) retry: Duration,
    pub(crate) checkpoint: Duration,
    pub(crate) max_file_bytes: u64,
    pub(crate) max_queue: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            sync: AuditSync::default(),
            on_failure: OnFailure::default(),
            delay: Duration::from_secs(1),
            retry: Duration::from_secs(1),
            checkpoint: Duration::from_mins(10),
            max_file_bytes: 64 << 20,
            max_queue: 65_536,
            clock: Arc::new(SystemClock),
        }
    }
}

impl AuditOptions {
    /// Sets which lines are on disk before their actions are answered.
    pub fn with_sync(mut self, sync: AuditSync) -> Self {
        self.sync = sync;
        self
    }

    /// Sets what happens while the log cannot be written.
    pub fn with_on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets how long a line that no request waits for may be in the memory of the system before it is on disk: 1 second by
    /// default. A power cut can lose these lines; if the process is killed, only those are lost that the thread has not written yet.
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets how long after a failure the log is tried again: 1 second by default.
    pub fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how often the hash of the last line is logged, if there are new lines: every 10 minutes by default.
    pub fn with_checkpoint(mut self, checkpoint: Duration) -> Self {
        self.checkpoint = checkpoint;
        self
    }

    /// Sets the size in bytes from which on a file is replaced by a new one: 64 MiB by default. A file can be larger by the
    /// lines of one write, up to 1 MiB. 0 means without a limit.
    pub fn with_max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }

    /// Sets how many lines may wait in memory, at least 1: 65,536 by default. A line takes about 400 bytes. Requests in progress
    /// can add one line each beyond it.
    pub fn with_max_queue(mut self, lines: usize) -> Self {
        self.max_queue = lines.max(1);
        self
    }

    /// Sets the clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
