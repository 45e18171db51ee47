//! A blob on its way in: pieces gathered and written to one temporary, published at the commit.

use std::mem;
use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result, Upload, blocking};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use rustix::fs::Advice;
use rustix::io::Errno;

use crate::backend::Shared;
use crate::error::failed;
use crate::publish::publish;
use crate::staging::Temporary;
use crate::sys;

/// Pieces are gathered to so many bytes before they are written: one hop for each so many.
const GATHER: usize = 256 << 10;
/// Write-back begins each time so many bytes were written, so that the sync at the end finds little
/// left to do.
const WRITE_BACK: u64 = 1 << 20;
/// Space is set aside by so many bytes.
const WINDOW: u64 = 64 << 20;

/// The file being written, and how far it is. It moves into the blocking pool and back, so that a
/// dropped future leaves the upload without it: spoilt.
#[derive(Debug)]
pub(crate) struct Writing {
    temporary: Temporary,
    size: u64,
    flushed: u64,
    reserved: u64,
    expected: u64,
}

impl Writing {
    /// A file that is expected to have so many bytes in the end, or zero.
    pub(crate) fn begin(temporary: Temporary, expected: u64) -> Self {
        Self {
            temporary,
            size: 0,
            flushed: 0,
            reserved: 0,
            expected,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), Errno> {
        for piece in bytes.chunks(1 << 20) {
            self.reserve_ahead(piece.len() as u64);
            sys::write_all(self.temporary.file(), piece)?;
            self.size += piece.len() as u64;
            if self.size - self.flushed >= WRITE_BACK {
                self.begin_write_back();
            }
        }
        Ok(())
    }

    /// Sets space aside for what is expected, a window at a time: a hint may be far off, and must
    /// not fill the disk. For less than a step of write-back it costs more than it gives.
    fn reserve_ahead(&mut self, next: u64) {
        if self.expected > WRITE_BACK
            && self.size + next > self.reserved
            && self.reserved < self.expected
        {
            let window = WINDOW.min(self.expected - self.reserved);
            self.temporary.reserve(self.reserved, window);
            self.reserved += window;
        }
    }

    /// Asks for write-back of what was written since the last time. `POSIX_FADV_DONTNEED` starts
    /// it without waiting, as `sync_file_range(2)` with only its WRITE flag would; pages that are on
    /// their way to the disk stay in the cache. It is a hint: what it cannot do is left to the sync.
    fn begin_write_back(&mut self) {
        let length = std::num::NonZeroU64::new(self.size - self.flushed);
        let file = self.temporary.file();
        let _ = rustix::fs::fadvise(file, self.flushed, length, Advice::DontNeed);
        self.flushed = self.size;
    }

    /// Publishes what was written.
    pub(crate) fn publish(
        self,
        shared: &Shared,
        operation: Operation,
        id: ArtifactId,
    ) -> Result<()> {
        if self.reserved > self.size {
            self.temporary
                .trim(self.size)
                .map_err(|errno| failed(operation, Some(id), "give back reserved space", errno))?;
        }
        publish(
            &shared.root,
            &shared.doubt,
            self.temporary,
            operation,
            id,
            self.size,
        )
    }
}

/// An [`Upload`] to a folder.
#[derive(Debug)]
pub(crate) struct FsUpload {
    shared: Arc<Shared>,
    id: ArtifactId,
    /// `None` while it is in the blocking pool, and for ever after a failure or a dropped future.
    writing: Option<Writing>,
    gathered: BytesMut,
    expected: u64,
}

impl FsUpload {
    pub(crate) fn new(shared: Arc<Shared>, id: ArtifactId, writing: Writing) -> Self {
        Self {
            shared,
            id,
            writing: Some(writing),
            gathered: BytesMut::new(),
            expected: 0,
        }
    }

    fn take(&mut self, operation: Operation) -> Result<Writing> {
        self.writing.take().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, operation)
                .with_id(self.id)
                .with_detail("a write of this upload failed or was dropped before; abort it")
        })
    }

    /// Writes what was gathered and one more piece, in one hop.
    async fn flush(&mut self, piece: Bytes) -> Result<()> {
        let mut writing = self.take(Operation::Write)?;
        let gathered = self.gathered.split();
        let (id, expected) = (self.id, mem::take(&mut self.expected));
        let written = self
            .shared
            .writes
            .run(Operation::Write, move || {
                if expected > 0 {
                    writing.expected = expected;
                }
                writing
                    .write(&gathered)
                    .and_then(|()| writing.write(&piece))
                    .map_err(|errno| {
                        failed(Operation::Write, Some(id), "write the bytes", errno)
                    })?;
                Ok(writing)
            })
            .await?;
        self.writing = Some(written);
        Ok(())
    }
}

#[async_trait]
impl Upload for FsUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.expected = bytes;
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.writing.is_none() {
            self.take(Operation::Write)?;
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
        let mut writing = self.take(Operation::Commit)?;
        let gathered = mem::take(&mut self.gathered);
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        let work = move || {
            writing
                .write(&gathered)
                .map_err(|errno| failed(Operation::Commit, Some(id), "write the bytes", errno))?;
            writing.publish(&shared, Operation::Commit, id)
        };
        self.shared.writes.run(Operation::Commit, work).await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let Some(mut writing) = self.writing.take() else {
            // It went when the write that failed gave it up.
            return Ok(());
        };
        let id = self.id;
        let work = move || {
            writing.temporary.unname().map_err(|errno| {
                failed(
                    Operation::Abort,
                    Some(id),
                    "remove the temporary file",
                    errno,
                )
            })
        };
        self.shared.writes.run(Operation::Abort, work).await
    }
}

impl Drop for FsUpload {
    fn drop(&mut self) {
        // Closing the last descriptor of a large file frees its blocks, which waits for the disk.
        if let Some(writing) = self.writing.take() {
            blocking::detach(move || drop(writing));
        }
    }
}
