//! An upload: gathers small chunks and writes them to one temporary file.

use std::mem;
use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result, Upload, blocking};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::error::failed;
use crate::shared::Shared;
use crate::writer::BlobWriter;

/// Small chunks are gathered up to this size, so that each task on the blocking pool writes at least
/// this much.
const GATHER: usize = 256 << 10;

/// An [`Upload`] to a folder.
#[derive(Debug)]
pub(crate) struct FsUpload {
    shared: Arc<Shared>,
    id: ArtifactId,
    /// `None` while the writer is in the blocking pool, and after a failed or dropped write.
    writer: Option<BlobWriter>,
    gathered: BytesMut,
    /// The announced size, until the writer knows it.
    expected: u64,
}

impl FsUpload {
    pub(crate) fn new(shared: Arc<Shared>, id: ArtifactId, writer: BlobWriter) -> Self {
        Self {
            shared,
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

    fn take_writer(&mut self, operation: Operation) -> Result<BlobWriter> {
        self.writer.take().ok_or_else(|| self.broken(operation))
    }

    /// Writes the gathered bytes and one more chunk in a single task.
    async fn flush(&mut self, chunk: Bytes) -> Result<()> {
        let mut writer = self.take_writer(Operation::Write)?;
        let gathered = self.gathered.split();
        let (id, expected) = (self.id, mem::take(&mut self.expected));
        let work = move || {
            if expected > 0 {
                writer.expect(expected);
            }
            writer
                .write(&gathered)
                .and_then(|()| writer.write(&chunk))
                .map_err(|errno| failed(Operation::Write, Some(id), "write the bytes", errno))?;
            Ok(writer)
        };
        self.writer = Some(self.shared.writes.run(Operation::Write, work).await?);
        Ok(())
    }
}

#[async_trait]
impl Upload for FsUpload {
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
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        let work = move || {
            writer
                .write(&gathered)
                .map_err(|errno| failed(Operation::Commit, Some(id), "write the bytes", errno))?;
            writer.publish(&shared, Operation::Commit, id)
        };
        self.shared.writes.run(Operation::Commit, work).await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let Some(mut writer) = self.writer.take() else {
            // The failed or dropped write already removed the file.
            return Ok(());
        };
        let id = self.id;
        let work = move || {
            let fail = |errno| {
                failed(
                    Operation::Abort,
                    Some(id),
                    "remove the temporary file",
                    errno,
                )
            };
            writer.discard().map_err(fail)
        };
        self.shared.writes.run(Operation::Abort, work).await
    }
}

impl Drop for FsUpload {
    fn drop(&mut self) {
        // Closing the last descriptor of a large file frees its blocks, which waits for the disk.
        if let Some(writer) = self.writer.take() {
            blocking::detach(move || drop(writer));
        }
    }
}
