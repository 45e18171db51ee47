//! An upload as tokio's `AsyncWrite`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use tokio::io::AsyncWrite;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::upload::Upload;

/// The bytes that are collected before they are written to the upload.
const BUFFER: usize = 256 * 1024;

/// An [`Upload`] as [`AsyncWrite`].
///
/// # What is durable when
///
/// Nothing, until `shutdown` (or [`commit`](Self::commit)) has returned `Ok`; then the whole blob is. `write` returns when the bytes
/// are in a buffer, `flush` when they are with the backend, where no reader sees them. A writer that is dropped before publishes
/// nothing, as a dropped upload; if it is dropped during `shutdown`, it leaves nothing or the whole blob.
///
/// `tokio::io::copy` flushes, but does not shut down: call `shutdown` after it.
///
/// # Limits and errors
///
/// It buffers 512 KiB at most. An error may belong to bytes of an earlier `write`. After an error every call fails and nothing
/// will be published; [`abort`](Self::abort) still waits until the written bytes are removed. Errors are those of the backend
/// as [`io::Error`].
///
/// ```
/// use artifact_backend::{ArtifactBackend, ArtifactId, UploadWriter};
/// use artifact_backend_mem::MemBackend;
/// use tokio::io::AsyncWriteExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = MemBackend::default();
/// let id = ArtifactId::mint();
/// let mut writer = UploadWriter::new(backend.upload(id).await?);
/// writer.write_all(b"twelve bytes").await?;
/// writer.shutdown().await?; // now it is durable and visible
/// assert_eq!(backend.load(id).await?, "twelve bytes");
/// # Ok(())
/// # }
/// ```
#[must_use = "a writer that is dropped publishes nothing; call shutdown or commit"]
pub struct UploadWriter {
    state: State,
    buffer: BytesMut,
}

enum State {
    Idle(Box<dyn Upload>),
    Writing(BoxFuture<'static, (Box<dyn Upload>, Result<()>)>),
    Committing(BoxFuture<'static, Result<()>>),
    Committed,
    /// The upload can still be aborted if its commit has not begun.
    Failed(Option<Box<dyn Upload>>),
}

impl UploadWriter {
    /// Wraps an upload. If the size is known, call [`Upload::expect_size`] before.
    pub fn new(upload: Box<dyn Upload>) -> Self {
        Self {
            state: State::Idle(upload),
            buffer: BytesMut::new(),
        }
    }

    /// Publishes the written bytes, as `shutdown`. `Ok` means durable.
    ///
    /// # Errors
    ///
    /// As for [`Upload::write`] and [`Upload::commit`].
    pub async fn commit(mut self) -> Result<()> {
        poll_fn(|context| self.poll_commit(context)).await
    }

    /// Cancels the upload and waits until the written bytes are removed.
    ///
    /// # Errors
    ///
    /// As for [`Upload::abort`], and `Unexpected` if a `shutdown` has begun.
    pub async fn abort(self) -> Result<()> {
        let upload = match self.state {
            State::Idle(upload) => upload,
            State::Writing(writing) => writing.await.0,
            State::Failed(None) => return Ok(()),
            State::Failed(Some(upload)) => upload,
            State::Committing(_) | State::Committed => {
                let detail = "the commit has begun; look whether the blob exists";
                return Err(error(Operation::Abort, detail));
            }
        };
        upload.abort().await
    }

    /// Waits until no write is in progress.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(match &mut self.state {
            State::Idle(_) => Ok(()),
            State::Writing(writing) => {
                let (upload, result) = ready!(writing.as_mut().poll(context));
                self.state = match result {
                    Ok(()) => State::Idle(upload),
                    Err(_) => State::Failed(Some(upload)),
                };
                result
            }
            State::Committing(_) | State::Committed => {
                let detail = "the writer was shut down; begin another upload";
                Err(error(Operation::Write, detail))
            }
            State::Failed(_) => {
                let detail = "an earlier write of this upload failed; abort the upload";
                Err(error(Operation::Write, detail))
            }
        })
    }

    /// Begins to write the buffer. Does nothing unless the writer is idle.
    fn start(&mut self) {
        match mem::replace(&mut self.state, State::Failed(None)) {
            State::Idle(mut upload) => {
                let bytes = self.buffer.split().freeze();
                self.state = State::Writing(Box::pin(async move {
                    let result = upload.write(bytes).await;
                    (upload, result)
                }));
            }
            other => self.state = other,
        }
    }

    fn poll_take(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match self.poll_idle(context) {
            Poll::Ready(result) => result?,
            // The write in progress need not be done while the buffer has room.
            Poll::Pending if self.buffer.len() < BUFFER => {}
            Poll::Pending => return Poll::Pending,
        }
        if self.buffer.len() >= BUFFER {
            self.start();
        }
        let taken = bytes.len().min(BUFFER - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flushed(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            ready!(self.poll_idle(context))?;
            if self.buffer.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.start();
        }
    }

    fn poll_commit(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            match &mut self.state {
                State::Committed => return Poll::Ready(Ok(())),
                State::Committing(committing) => {
                    let result = ready!(committing.as_mut().poll(context));
                    self.state = match result {
                        Ok(()) => State::Committed,
                        Err(_) => State::Failed(None),
                    };
                    return Poll::Ready(result);
                }
                State::Idle(_) | State::Writing(_) | State::Failed(_) => {
                    ready!(self.poll_flushed(context))?;
                    if let State::Idle(upload) = mem::replace(&mut self.state, State::Failed(None))
                    {
                        self.state = State::Committing(upload.commit());
                    }
                }
            }
        }
    }
}

fn error(operation: Operation, detail: &'static str) -> Error {
    Error::new(ErrorKind::Unexpected, operation).with_detail(detail)
}

impl AsyncWrite for UploadWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_take(context, bytes).map_err(io::Error::from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flushed(context).map_err(io::Error::from)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_commit(context).map_err(io::Error::from)
    }
}

impl fmt::Debug for UploadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Idle(_) => "idle",
            State::Writing(_) => "writing",
            State::Committing(_) => "committing",
            State::Committed => "committed",
            State::Failed(_) => "failed",
        };
        f.debug_struct("UploadWriter")
            .field("state", &state)
            .field("buffered", &self.buffer.len())
            .finish_non_exhaustive()
    }
}
