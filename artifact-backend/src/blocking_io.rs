//! What the methods of a blocking backend return: an upload, a download and a list that block.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::download::Download;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::inventory::{BlobList, BlobStat};
use crate::reader::DownloadReader;
use crate::writer::UploadWriter;

/// An upload as [`io::Write`], from [`BlockingBackend::upload`](crate::BlockingBackend::upload).
///
/// Nothing is published before [`commit`](Self::commit) returns `Ok`; then the whole blob is durable. `flush` passes the buffer on,
/// which makes nothing visible or durable. Dropping the upload publishes nothing. It buffers 512 KiB at most. An error may belong
/// to bytes of an earlier write.
#[must_use = "an upload that is dropped publishes nothing; call commit"]
pub struct BlockingUpload(pub(crate) Inside<UploadWriter>);

impl BlockingUpload {
    /// Publishes the written bytes. `Ok` means durable.
    ///
    /// # Errors
    ///
    /// As for [`Upload::write`](crate::Upload::write) and [`Upload::commit`](crate::Upload::commit).
    pub fn commit(mut self) -> Result<()> {
        self.0.end(UploadWriter::commit)
    }

    /// Cancels the upload and waits until the written bytes are removed.
    ///
    /// # Errors
    ///
    /// As for [`Upload::abort`](crate::Upload::abort).
    pub fn abort(mut self) -> Result<()> {
        self.0.end(UploadWriter::abort)
    }
}

impl io::Write for BlockingUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .poll(|writer, context| writer.poll_write(context, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.poll(AsyncWrite::poll_flush)
    }
}

/// A download as [`io::Read`] and [`io::BufRead`], from [`BlockingBackend::download`](crate::BlockingBackend::download).
///
/// It holds one chunk. The end is reported only after every byte of the range; a blob that ends early is an error.
pub struct BlockingDownload(pub(crate) Inside<DownloadReader>);

impl BlockingDownload {
    /// Returns the download, for its size, range and stamp.
    pub fn download(&self) -> &Download {
        self.0.get().download()
    }
}

impl io::Read for BlockingDownload {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        self.0
            .poll(|reader, context| reader.poll_read(context, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl io::BufRead for BlockingDownload {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0
            .poll(|reader, context| reader.poll_fill_buf(context).map_ok(|_| ()))?;
        Ok(self.0.get().buffered())
    }

    fn consume(&mut self, bytes: usize) {
        if let Some(reader) = &mut self.0.value {
            Pin::new(reader).consume(bytes);
        }
    }
}

/// The blobs of a backend, from [`BlockingBackend::list`](crate::BlockingBackend::list) and
/// [`list_shard`](crate::BlockingBackend::list_shard).
#[must_use = "nothing is listed until the iterator is advanced"]
pub struct BlockingList(pub(crate) Inside<BlobList>);

impl Iterator for BlockingList {
    type Item = Result<BlobStat>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.poll(Stream::poll_next)
    }
}

macro_rules! debug {
    ($($name:ident)+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}

debug! { BlockingUpload BlockingDownload BlockingList }

/// A value that is polled and dropped inside the runtime: its drop may start a task there.
pub(crate) struct Inside<T> {
    /// `None` only after [`end`](Self::end), which consumes the value's owner, and in the drop.
    pub(crate) value: Option<T>,
    pub(crate) runtime: Arc<OwnRuntime>,
}

impl<T> Inside<T> {
    fn get(&self) -> &T {
        self.value
            .as_ref()
            .expect("the value is there until the end")
    }

    fn poll<R>(&mut self, mut poll: impl FnMut(Pin<&mut T>, &mut Context<'_>) -> Poll<R>) -> R
    where
        T: Unpin,
    {
        let value = self.value.as_mut();
        let value = value.expect("the value is there until the end");
        let runtime = &self.runtime;
        runtime.block_on(poll_fn(|context| poll(Pin::new(&mut *value), context)))
    }

    fn end<F: Future>(&mut self, end: impl FnOnce(T) -> F) -> F::Output {
        let value = self.value.take();
        let value = value.expect("the value is there until the end");
        self.runtime.block_on(end(value))
    }
}

impl<T> Drop for Inside<T> {
    fn drop(&mut self) {
        let _inside = self.runtime.handle.enter();
        drop(self.value.take());
    }
}

/// A runtime that may be dropped anywhere, also in an async task.
#[derive(Debug)]
pub(crate) struct OwnRuntime {
    handle: Handle,
    // `None` only in the drop.
    runtime: Option<Runtime>,
}

impl OwnRuntime {
    pub(crate) fn start() -> Result<Self> {
        let built = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("artifact-backend")
            .enable_all()
            .build();
        let runtime = built.map_err(|error| {
            Error::new(ErrorKind::Unavailable, Operation::Open)
                .with_detail("the runtime of the blocking backend could not be started")
                .with_source(error)
        })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
