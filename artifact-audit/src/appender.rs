//! The thread that appends lines to the file.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{AuditError, AuditErrorKind};
use crate::line::{Position, append_line, members, time_text};
use crate::log::AuditHead;
use crate::queue::{Answer, Entry, Queue, Task, Work};
use crate::recovery::{Opened, lost_members};
use crate::rotation;

/// The maximum number of lines that one write takes.
const MAX_BATCH: usize = 2_048;
/// How many bytes may wait for a sync. The appender keeps them in memory, because a sync that fails may have lost them.
const MAX_UNSYNCED: usize = 1 << 20;
/// How often the file is looked at while no line is written: another program can have removed or cut it.
const WATCH: Duration = Duration::from_secs(10);
/// The name of the alarm.
const ALARM: &str = "audit-log";

/// Writes the lines of a queue. It gives each its place in the chain.
#[derive(Debug)]
pub(crate) struct Appender {
    queue: Arc<Queue>,
    opened: Opened,
    /// The lines after the first `opened.length` bytes, in the order of the file. They may be in the file, but are not known to be
    /// on disk.
    unsynced: Vec<u8>,
    /// How many of these bytes are in the file.
    written: usize,
    /// How many of these bytes may be in the file, because a write of them was begun.
    begun: usize,
    /// The last line, on disk or not.
    last: Position,
    /// The requests that wait for a sync.
    waiting: Vec<Answer>,
    /// When the unsynced lines must be on disk.
    sync_at: Option<Instant>,
    /// When the log is tried again, if it cannot be written.
    retry_at: Option<Instant>,
    /// The size from which on the file is replaced; 0 for no limit.
    rotate_from: u64,
    /// When the last line is logged, if there are new ones.
    checkpoint_at: Instant,
    checkpoint: Position,
    /// When the file is looked at next.
    watch_at: Instant,
    /// Whether the log has said that the file was removed.
    is_removed: bool,
}

impl Appender {
    pub(crate) fn new(queue: Arc<Queue>, opened: Opened) -> Self {
        let checkpoint_at = Instant::now() + queue.options.checkpoint;
        let last = opened.last;
        let appender = Self {
            rotate_from: queue.options.max_file_bytes,
            queue,
            opened,
            unsynced: Vec::new(),
            written: 0,
            begun: 0,
            last,
            waiting: Vec::new(),
            sync_at: None,
            retry_at: None,
            checkpoint_at,
            checkpoint: last,
            watch_at: Instant::now() + WATCH,
            is_removed: false,
        };
        appender.log_head("opened the audit log");
        appender
    }

    /// Runs until the log is closed.
    pub(crate) fn run(mut self) {
        // Also if the thread panics: a request must not wait for a thread that has ended.
        let end = End(Arc::clone(&self.queue));
        let answer = loop {
            let work = self.queue.wait(self.next_time(), MAX_BATCH);
            if let Some(answer) = self.turn(work) {
                break answer;
            }
        };
        // Releases the lock, so that the log can be opened again once the answer is there.
        drop(self);
        drop(end);
        if let (Some(answer), outcome) = answer {
            let _ = answer.send(outcome);
        }
    }

    fn next_time(&self) -> Option<Instant> {
        let has_news = self.checkpoint != self.last;
        let checkpoint = has_news.then_some(self.checkpoint_at);
        let times = match self.retry_at {
            // Nothing else can be done before.
            Some(retry) => [Some(retry), None, None],
            None => [self.sync_at, checkpoint, Some(self.watch_at)],
        };
        times.into_iter().flatten().min()
    }

    /// Does what is next. Returns the one to answer if that was the end.
    fn turn(&mut self, work: Work) -> Option<(Option<Answer>, Result<(), AuditError>)> {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry();
        }
        self.add(work.entries, work.lost);
        if self.retry_at.is_none() {
            let is_due = self.sync_at.is_some_and(|at| at <= now);
            let is_full = self.unsynced.len() >= MAX_UNSYNCED;
            let must_sync = is_due || is_full || !self.waiting.is_empty();
            self.write(must_sync);
            self.rotate_if_large();
        }
        if self.watch_at <= now && self.retry_at.is_none() {
            self.watch(now);
        }
        if self.checkpoint_at <= now && self.retry_at.is_none() {
            self.checkpoint();
        }
        match work.task? {
            Task::Flush(answer) => {
                let outcome = self.write_all();
                let _ = answer.send(outcome);
                None
            }
            Task::Reopen(answer) => {
                let outcome = self.write_all().and_then(|()| self.rotate());
                let _ = answer.send(outcome);
                None
            }
            Task::Close(answer) => Some((answer, self.close())),
        }
    }

    /// Adds lines to those that are not written yet.
    fn add(&mut self, entries: Vec<Entry>, lost: u64) {
        for entry in entries {
            self.last = append_line(
                &mut self.unsynced,
                Some(self.last),
                &entry.time,
                &entry.members,
            );
            self.waiting.extend(entry.answer);
        }
        if lost > 0 {
            tracing::error!(alarm = ALARM, lost, "lines of the audit log were lost");
            self.add_own(&lost_members(lost));
        }
        if !self.unsynced.is_empty() && self.sync_at.is_none() {
            self.sync_at = Some(Instant::now() + self.queue.options.delay);
        }
    }

    /// Adds a line about the log itself.
    fn add_own(&mut self, members: &str) {
        let time = time_text(self.queue.options.clock.now());
        self.last = append_line(&mut self.unsynced, Some(self.last), &time, members);
    }

    /// Writes the lines, and puts them on disk if that must be. After a failure, the log is tried again later.
    fn write(&mut self, must_sync: bool) {
        match self.try_write(must_sync) {
            Ok(()) => {}
            Err(error) => self.fail(&error),
        }
    }

    fn try_write(&mut self, must_sync: bool) -> io::Result<()> {
        let Opened { file, length, .. } = &mut self.opened;
        if self.written < self.unsynced.len() {
            if file.length()? != *length + self.written as u64 {
                return Err(changed());
            }
            self.begun = self.unsynced.len();
            file.append(&self.unsynced[self.written..])?;
            self.written = self.unsynced.len();
        }
        if !must_sync || self.unsynced.is_empty() {
            return Ok(());
        }
        file.sync()?;
        self.warn_if_removed();
        let Opened { length, .. } = &mut self.opened;
        *length += self.unsynced.len() as u64;
        self.unsynced.clear();
        self.written = 0;
        self.begun = 0;
        self.sync_at = None;
        self.opened.last = self.last;
        self.queue.set_head(self.opened.head());
        for answer in self.waiting.drain(..) {
            let _ = answer.send(Ok(()));
        }
        Ok(())
    }

    /// Looks at the file although there is nothing to write.
    fn watch(&mut self, now: Instant) {
        self.watch_at = now + WATCH;
        self.warn_if_removed();
        match self.opened.file.length() {
            Ok(length) if length == self.opened.length + self.written as u64 => {}
            Ok(_) => self.fail(&changed()),
            Err(error) => self.fail(&error),
        }
    }

    /// Logs once that the file has no name any more. The lines go on in it, because its content can still be copied.
    fn warn_if_removed(&mut self) {
        if self.is_removed || !matches!(self.opened.file.has_name(), Ok(false)) {
            return;
        }
        self.is_removed = true;
        tracing::error!(
            alarm = ALARM,
            path = %self.queue.path.display(),
            "the file of the audit log was removed: copy it from /proc/PID/fd of this process before it ends, then send SIGHUP, \
             which begins a new file"
        );
    }

    fn fail(&mut self, error: &io::Error) {
        if self.retry_at.is_none() {
            tracing::error!(
                alarm = ALARM,
                path = %self.queue.path.display(),
                error = error as &dyn std::error::Error,
                "cannot write the audit log; it is tried again until that works"
            );
            self.queue.begin_failing();
        }
        for answer in self.waiting.drain(..) {
            let _ = answer.send(self.queue.outcome_of_failure());
        }
        self.retry_at = Some(Instant::now() + self.queue.options.retry);
    }

    /// Writes all lines again that are not known to be on disk.
    ///
    /// After a failed sync, the system may take pages for written that are not, and a later sync would say nothing about them. So
    /// the lines are cut off and written once more.
    fn retry(&mut self) {
        let length = self.opened.length;
        let begun = self.begun as u64;
        let on_disk = self.opened.file.length();
        let outcome = on_disk.and_then(|found| {
            // What another program has added stays, for the operator to see.
            if !(length..=length + begun).contains(&found) {
                return Err(io::Error::other(
                    "its length is not what was written: another program has changed the file; move it away, and start again",
                ));
            }
            self.opened.file.truncate(length)?;
            self.written = 0;
            self.begun = 0;
            self.try_write(true)
        });
        match outcome {
            Ok(()) => {
                self.retry_at = None;
                self.queue.end_failing();
                tracing::info!(path = %self.queue.path.display(), "the audit log can be written again");
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Puts all lines on disk that were taken from the queue.
    fn write_all(&mut self) -> Result<(), AuditError> {
        if self.retry_at.is_some() {
            self.retry();
        } else {
            self.write(true);
        }
        match self.retry_at {
            None => Ok(()),
            Some(_) => Err(self.queue.error(AuditErrorKind::Unavailable)),
        }
    }

    fn rotate_if_large(&mut self) {
        let length = self.opened.length + self.unsynced.len() as u64;
        // A file with nothing but its first line is never replaced.
        let is_large = length >= self.rotate_from && self.last.seq > self.opened.first;
        if self.rotate_from == 0 || !is_large || self.retry_at.is_some() {
            return;
        }
        let rotated = self.write_all().and_then(|()| self.rotate());
        if let Err(error) = rotated {
            tracing::error!(
                alarm = ALARM,
                error = &error as &dyn std::error::Error,
                "cannot begin a new file of the audit log; the former one goes on"
            );
            // Not again with each line.
            self.rotate_from = length + self.queue.options.max_file_bytes;
        }
    }

    /// Begins a new file. All lines are on disk.
    fn rotate(&mut self) -> Result<(), AuditError> {
        let time = time_text(self.queue.options.clock.now());
        let rotated = rotation::rotate(&self.queue.path, &mut self.opened, &time);
        rotated.map_err(|error| AuditError::io(&self.queue.path, error))?;
        self.last = self.opened.last;
        self.is_removed = false;
        self.rotate_from = self.queue.options.max_file_bytes;
        self.queue.set_head(self.opened.head());
        self.checkpoint_at = Instant::now() + self.queue.options.checkpoint;
        self.checkpoint = self.last;
        self.log_head("began a new file of the audit log");
        Ok(())
    }

    fn checkpoint(&mut self) {
        self.checkpoint_at = Instant::now() + self.queue.options.checkpoint;
        if self.checkpoint != self.last && self.write_all().is_ok() {
            self.checkpoint = self.last;
            self.log_head("checkpoint of the audit log");
        }
    }

    /// Logs the last line that is on disk.
    fn log_head(&self, message: &'static str) {
        let AuditHead { chain, seq, hash } = self.opened.head();
        let path = self.queue.path.display();
        tracing::info!(target: "artifact::audit", %path, chain, seq, head = %hash, "{message}");
    }

    fn close(&mut self) -> Result<(), AuditError> {
        if self.retry_at.is_some() {
            // If it works again, the lines in the queue are not lost.
            self.retry();
        }
        // No line follows the last one, so that a later change of the queue is not lost without a trace.
        loop {
            let work = self.queue.wait(Some(Instant::now()), MAX_BATCH);
            if work.entries.is_empty() && work.lost == 0 {
                break;
            }
            self.add(work.entries, work.lost);
        }
        self.add_own(&members("close", &[], &[]));
        let outcome = self.write_all();
        if outcome.is_ok() {
            self.log_head("closed the audit log");
        } else {
            self.note_lost();
        }
        for answer in mem::take(&mut self.waiting) {
            let _ = answer.send(self.queue.outcome_of_failure());
        }
        outcome
    }

    /// Leaves the number of lines that are lost now to the next process, which writes it to the log, and logs it.
    fn note_lost(&mut self) {
        let found = self.opened.file.length().unwrap_or(0);
        let kept = found.saturating_sub(self.opened.length);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let missing = &self.unsynced[kept.min(self.unsynced.len())..];
        // The last one says that the log was closed.
        let lines = count_lines(missing).saturating_sub(1);
        let lost = lines + self.queue.unwritten();
        let noted = if lost > 0 {
            self.opened.lock.set_lost(lost)
        } else {
            Ok(())
        };
        tracing::error!(
            alarm = ALARM,
            path = %self.queue.path.display(),
            lost,
            "lines of the audit log are lost, because it cannot be written at its end; the next start writes a line that says so"
        );
        if let Err(error) = noted {
            tracing::error!(
                alarm = ALARM,
                error = &error as &dyn std::error::Error,
                "the audit log will not say that lines were lost: their number cannot be noted for the next start"
            );
        }
    }
}

/// Returns the error of a file that is longer or shorter than what was written.
fn changed() -> io::Error {
    io::Error::other("its length is not what was written: another program has changed the file")
}

/// Returns the number of complete lines.
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').skip(1).count() as u64
}

/// Closes the queue when the appender ends.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        let lost = self.0.close();
        if lost > 0 {
            tracing::error!(alarm = ALARM, lost, "lines of the audit log were lost");
        }
    }
}
