//! The handle of an audit log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use crate::appender::Appender;
use crate::error::{AuditError, AuditErrorKind};
use crate::event::AuditEvent;
use crate::hash::LineHash;
use crate::line::time_text;
use crate::options::{AuditOptions, AuditSync};
use crate::queue::{Entry, Queue, Task};
use crate::recovery::{self, Opened};

/// The last line of a log that is on disk. An operator who keeps its hash elsewhere can find later that it was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditHead {
    /// The id of the chain: 32 hexadecimal digits.
    pub chain: String,
    /// The number of the line in the chain.
    pub seq: u64,
    /// The hash of the line.
    pub hash: LineHash,
}

/// An open audit log. Clones write to the same file.
///
/// One thread of its own appends the lines, so no caller waits for the disk, except for the lines that
/// [`AuditSync`] names. When the last clone is dropped, the thread writes what is queued and ends; [`close`](Self::close) waits
/// for that.
#[derive(Debug, Clone)]
pub struct AuditLog {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle(Arc<Queue>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.push_task(Task::Close(None));
    }
}

impl AuditLog {
    /// Opens a log, and creates it if it is missing. Its folder must exist. The line that says so is on disk when this returns.
    ///
    /// An incomplete last line, which a crash leaves, is moved to a file beside the log, and the chain goes on with a line that
    /// names that file. This reads and checks the whole file, and blocks: about a second for 500 MiB.
    ///
    /// `PATH.lock` is created beside the log and stays. It keeps a second process from writing the same log.
    ///
    /// # Errors
    ///
    /// [`Locked`](AuditErrorKind::Locked), [`Damaged`](AuditErrorKind::Damaged) or [`Io`](AuditErrorKind::Io).
    pub fn open(path: &Path, options: AuditOptions) -> Result<Self, AuditError> {
        Self::start(path, options, |opened| opened)
    }

    /// Opens a log. `wrap` can replace its file.
    pub(crate) fn start(
        path: &Path,
        options: AuditOptions,
        wrap: impl FnOnce(Opened) -> Opened,
    ) -> Result<Self, AuditError> {
        let opened = wrap(recovery::open(path, &options)?);
        let queue = Arc::new(Queue::new(path.to_owned(), options, opened.head()));
        let appender = Appender::new(Arc::clone(&queue), opened);
        thread::Builder::new()
            .name("artifact-audit".to_owned())
            .spawn(move || appender.run())
            .map_err(|error| AuditError::io(path, error))?;
        let handle = Arc::new(Handle(queue));
        Ok(Self { handle })
    }

    fn queue(&self) -> &Queue {
        &self.handle.0
    }

    /// Returns whether an action may begin. Call it before each action that will be recorded.
    ///
    /// # Errors
    ///
    /// With [`OnFailure::Refuse`](crate::OnFailure::Refuse): [`Unavailable`](AuditErrorKind::Unavailable) while the log cannot be
    /// written or its queue is full, [`Closed`](AuditErrorKind::Closed) after [`close`](Self::close).
    pub fn check(&self) -> Result<(), AuditError> {
        self.queue().check()
    }

    /// Adds a line. It is in the queue once this returns, also if the result is dropped.
    pub fn record(&self, event: &AuditEvent) -> Recorded {
        let waits = self.queue().options.sync == AuditSync::All || event.may_have_changed();
        let (answer, receiver) = waits.then(oneshot::channel).unzip();
        let known = self.queue().push(Entry {
            time: time_text(self.queue().options.clock.now()),
            members: event.members(),
            answer,
        });
        let outcome = match (known, receiver) {
            (Some(outcome), _) => Outcome::Known(outcome),
            (None, None) => Outcome::Known(Ok(())),
            (None, Some(receiver)) => Outcome::Waits(receiver, Arc::clone(&self.handle.0)),
        };
        Recorded(outcome)
    }

    /// Waits until all lines that were recorded before are on disk.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](AuditErrorKind::Unavailable) or [`Closed`](AuditErrorKind::Closed). The lines are still in memory unless
    /// the log is closed.
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.ask(Task::Flush).await
    }

    /// Begins a new file, whose first line names the last line of the former one.
    ///
    /// If the file is still at its path, it gets the name `PATH.<8 digits of the chain>-<number of its first line>`. If another
    /// program has moved it, it stays where it is. Lines that are recorded meanwhile are in one of the two files.
    ///
    /// # Errors
    ///
    /// [`Io`](AuditErrorKind::Io) if no new file can be made; the log goes on in the former one. Otherwise as
    /// [`flush`](Self::flush).
    pub async fn reopen(&self) -> Result<(), AuditError> {
        self.ask(Task::Reopen).await
    }

    /// Writes all lines and a last one that says that the log was closed, and waits until they are on disk. After that, the log takes no
    /// lines, and another process can open it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](AuditErrorKind::Unavailable) if that failed; the lines that were still in memory are lost then.
    pub async fn close(&self) -> Result<(), AuditError> {
        match self.ask(|answer| Task::Close(Some(answer))).await {
            Err(error) if error.kind() == AuditErrorKind::Closed => Ok(()),
            outcome => outcome,
        }
    }

    async fn ask(
        &self,
        task: impl FnOnce(oneshot::Sender<Result<(), AuditError>>) -> Task,
    ) -> Result<(), AuditError> {
        let (answer, receiver) = oneshot::channel();
        self.queue().push_task(task(answer));
        let closed = || self.queue().error(AuditErrorKind::Closed);
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Returns the last line that is on disk.
    pub fn head(&self) -> Option<AuditHead> {
        self.queue().head()
    }

    /// Returns the path of the file.
    pub fn path(&self) -> PathBuf {
        self.queue().path.clone()
    }
}

/// A line in the queue.
#[derive(Debug)]
#[must_use = "wait for it before the action is answered"]
pub struct Recorded(Outcome);

#[derive(Debug)]
enum Outcome {
    Known(Result<(), AuditError>),
    Waits(oneshot::Receiver<Result<(), AuditError>>, Arc<Queue>),
}

impl Recorded {
    /// Waits until the line is on disk, if the [settings](AuditSync) demand that for its event. Dropping the future does not
    /// remove the line.
    ///
    /// # Errors
    ///
    /// With [`OnFailure::Refuse`](crate::OnFailure::Refuse): [`Unavailable`](AuditErrorKind::Unavailable) if the line cannot be
    /// written now; it is written as soon as that works again. [`Closed`](AuditErrorKind::Closed) if the log was closed; the
    /// line is lost.
    pub async fn wait(self) -> Result<(), AuditError> {
        match self.0 {
            Outcome::Known(outcome) => outcome,
            Outcome::Waits(receiver, queue) => receiver
                .await
                .unwrap_or_else(|_| Err(queue.error(AuditErrorKind::Closed))),
        }
    }
}
