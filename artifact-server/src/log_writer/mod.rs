//! Writes a log from a thread of its own, so that the output cannot stop or fail a request.

mod sink;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use self::sink::Sink;

/// The thread keeps at most this much memory for the next text, in bytes.
const KEPT: usize = 64 << 10;

/// How long the thread waits for more lines after it has written some, so that on a busy server many lines
/// share one write.
const REST: Duration = Duration::from_millis(1);

/// A log output that never blocks and never fails, for example for standard error.
///
/// [`write_all`](Write::write_all) on `&LogWriter` copies the text into a queue and returns. A thread writes
/// the queue to the output in the same order, whole lines at a time. One write has at most 4096 bytes,
/// unless one line is longer: a pipe does not mix these with the lines of other programs (pipe(7), `PIPE_BUF`).
///
/// The queue holds up to [`CAPACITY`](Self::CAPACITY) bytes, and the thread holds as many again. A line that does
/// not fit is dropped: the output is too slow, or takes nothing. Lines are also lost if a write fails:
/// the reader went away, the disk is full, or the terminal is closed. All lost lines are counted. Once a
/// write succeeds again, the thread writes one line with their number, at the place where they are missing.
///
/// A line is usually written within a millisecond or two. If the process ends before that, it is lost;
/// [`flush`](Self::flush) waits for it, for a limited time. Dropping the writer does not wait: the
/// thread writes what is in the queue, and ends.
///
/// ```
/// use std::io::Write;
/// use std::time::Duration;
///
/// let log = artifact_server::LogWriter::start(std::io::stderr(), |lines| {
///     format!("{lines} lines of the log were lost\n")
/// })?;
/// (&log).write_all(b"started\n")?;
/// log.flush(Duration::from_secs(1));
/// # std::io::Result::Ok(())
/// ```
///
/// With `tracing-subscriber`, pass `Arc<LogWriter>` to `with_writer`, and `false` to
/// `log_internal_errors`.
#[must_use = "dropping it ends the thread"]
pub struct LogWriter {
    shared: Arc<Shared>,
}

impl LogWriter {
    /// The maximum size of the queue in bytes: 1 MiB.
    pub const CAPACITY: usize = 1 << 20;

    /// Starts the thread. `lost` makes the line, with its line break, that says how many lines were lost.
    ///
    /// If the output returns [`WouldBlock`](io::ErrorKind::WouldBlock), the thread tries again every 10
    /// milliseconds. If the output panics, the thread ends, and everything else is dropped.
    ///
    /// # Errors
    ///
    /// If the operating system cannot start a thread.
    pub fn start(
        output: impl Write + Send + 'static,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let queue = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || run(&queue, Sink::new(output, lost)))?;
        Ok(Self { shared })
    }

    /// Waits until everything that was queued before the call is written or lost, for at most `limit`.
    /// Returns whether it is. After a call that ran into its limit, further calls with the same limit or a
    /// shorter one return `false` at once, until the output accepts something.
    pub fn flush(&self, limit: Duration) -> bool {
        let mut state = self.shared.lock();
        let target = state.accepted;
        if state.finished < target && limit > state.waited {
            state.is_urgent = true;
            self.shared.work.notify_one();
            let is_behind = |state: &mut State| state.finished < target;
            let progress = &self.shared.progress;
            let waited = progress.wait_timeout_while(state, limit, is_behind);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.finished < target {
                state.waited = limit.max(state.waited);
            }
        }
        state.finished >= target
    }
}

impl Write for &LogWriter {
    /// Queues the text, or drops and counts it. Always succeeds. The text should be one or more whole lines.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.shared.push(text);
        Ok(text.len())
    }

    /// Does nothing; see [`LogWriter::flush`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.work.notify_one();
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").finish_non_exhaustive()
    }
}

/// The queue between the callers and the thread.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes callers of `flush`.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    /// The number of lines that came after `text` and did not fit.
    dropped: u64,
    /// The number of bytes that entered the queue, in total.
    accepted: u64,
    /// How many of these are written or lost.
    finished: u64,
    thread: Thread,
    /// A flush waits, so the thread must not rest.
    is_urgent: bool,
    /// The longest limit of a flush that ran into it since the thread has last finished something.
    waited: Duration,
    is_closed: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Thread {
    /// Works or rests, and will look into the queue.
    #[default]
    Busy,
    /// Must be woken.
    Idle,
}

impl State {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.dropped == 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: &[u8]) {
        let mut state = self.lock();
        let before = state.text.len();
        let after = before + text.len();
        // No line may pass one that was dropped: the count stands where lines are missing.
        if state.dropped > 0 || after > LogWriter::CAPACITY {
            state.dropped += sink::lines(text);
        } else {
            state.text.extend_from_slice(text);
            state.accepted += text.len() as u64;
        }
        let is_idle = mem::take(&mut state.thread) == Thread::Idle;
        drop(state);
        // At half of its capacity, the queue ends the rest of the thread.
        let half = LogWriter::CAPACITY / 2;
        if is_idle || (before < half && after >= half) {
            self.work.notify_one();
        }
    }

    /// Waits for text and moves it into `batch`, whose former text is finished. Returns the number of lines
    /// that were dropped after it, or `None` if no text can come any more.
    fn take(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        if !batch.is_empty() {
            state.finished += batch.len() as u64;
            state.waited = Duration::ZERO;
            self.progress.notify_all();
            let rests = |state: &mut State| {
                !state.is_urgent && !state.is_closed && state.text.len() < LogWriter::CAPACITY / 2
            };
            let rested = self.work.wait_timeout_while(state, REST, rests);
            state = rested.unwrap_or_else(PoisonError::into_inner).0;
        }
        batch.clear();
        batch.shrink_to(KEPT);
        while state.is_empty() {
            if state.is_closed {
                return None;
            }
            state.thread = Thread::Idle;
            let waited = self.work.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.thread = Thread::Busy;
        state.is_urgent = false;
        mem::swap(&mut state.text, batch);
        Some(mem::take(&mut state.dropped))
    }

    /// Waits for an output that would block. Returns `false` if the writer was dropped.
    fn pause(&self, pause: Duration) -> bool {
        let is_open = |state: &mut State| !state.is_closed;
        let waited = self.work.wait_timeout_while(self.lock(), pause, is_open);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        !state.is_closed
    }
}

/// The thread.
fn run<W: Write, F: Fn(u64) -> String>(shared: &Shared, mut sink: Sink<W, F>) {
    let mut batch = Vec::new();
    while let Some(dropped) = shared.take(&mut batch) {
        sink.write(&batch, dropped, shared);
    }
}
