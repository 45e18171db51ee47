//! An upload: gathers small chunks and writes them to one temporary file.

use std::{fmt, mem};

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result, Upload, blocking};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::pool::Pool;

/// Small chunks are gathered up to this size, so that each task on the blocking pool writes at least
/// this much.
const GATHER: usize = 256 << 10;

/// A temporary file that becomes a blob. Its methods wait for the disk. Dropping it aborts the store.
pub(crate) trait BlobWriter: fmt::Debug + Send + 'static {
    /// Sets the announced size in bytes.
    fn expect(&mut self, bytes: u64);

    /// Appends bytes.
    fn write(&mut self, operation: Operation, bytes: &[u8]) -> Result<()>;

    /// Publishes the written bytes. `Ok` means durable.
    fn publish(self, operation: Operation) -> Result<()>;

    /// Removes the temporary file's name, if it has one.
    fn discard(&mut self) -> Result<()>;
}

/// An [`Upload`] to a folder.
#[derive(Debug)]
pub(crate) struct FsUpload<W: BlobWriter> {
    pool: Pool,
    id: ArtifactId,
    /// `None` while the writer is in the blocking pool, and after a failed or dropped write.
    writer: Option<W>,
    gathered: BytesMut,
    /// The announced size, until the writer knows it.
    expected: u64,
}

impl<W: BlobWriter> FsUpload<W> {
    pub(crate) fn new(pool: Pool, id: ArtifactId, writer: W) -> Self {
        Self {
            pool,
            id,
            writer: Some(writer),
            gathered: BytesMut::new(),
            expected: 0,
        }
    }

    fn broken(&self, operation: Operation) -> Error {
        Error::new(ErrorKind::Unexpected, operation)
            .with_id(self.id)
            .with_detail("an earlier write of this upload failed or was dropped; abort the upload")
    }

    fn take_writer(&mut self, operation: Operation) -> Result<W> {
        self.writer.take().ok_or_else(|| self.broken(operation))
    }

    /// Writes the gathered bytes and one more chunk in a single task.
    async fn flush(&mut self, chunk: Bytes) -> Result<()> {
        let mut writer = self.take_writer(Operation::Write)?;
        let gathered = self.gathered.split();
        let expected = mem::take(&mut self.expected);
        let work = move || {
            if expected > 0 {
                writer.expect(expected);
            }
            writer.write(Operation::Write, &gathered)?;
            writer.write(Operation::Write, &chunk)?;
            Ok(writer)
        };
        self.writer = Some(self.pool.run(Operation::Write, work).await?);
        Ok(())
    }
}

#[async_trait]
impl<W: BlobWriter> Upload for FsUpload<W> {
    fn expect_size(&mut self, bytes: u64) {
        self.expected = bytes;
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.writer.is_none() {
            return Err(self.broken(Operation::Write));
        }
        if self.gathered.len() + bytes.len() >= GATHER {
            return self.flush(bytes).await;
        }
        if self.gathered.capacity() == 0 && !bytes.is_empty() {
            self.gathered.reserve(GATHER.min(bytes.len().max(4096) * 4));
        }
        self.gathered.extend_from_slice(&bytes);
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        let mut writer = self.take_writer(Operation::Commit)?;
        let gathered = mem::take(&mut self.gathered);
        let work = move || {
            writer.write(Operation::Commit, &gathered)?;
            writer.publish(Operation::Commit)
        };
        self.pool.run(Operation::Commit, work).await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let Some(mut writer) = self.writer.take() else {
            // The failed or dropped write already removed the file.
            return Ok(());
        };
        let work = move || writer.discard();
        self.pool.run(Operation::Abort, work).await
    }
}

impl<W: BlobWriter> Drop for FsUpload<W> {
    fn drop(&mut self) {
        // Closing the last descriptor of a large file frees its blocks, which waits for the disk.
        if let Some(writer) = self.writer.take() {
            blocking::detach(move || drop(writer));
        }
    }
}
