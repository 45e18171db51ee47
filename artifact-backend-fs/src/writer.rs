//! Writes the bytes of a new blob into a temporary file.

use std::num::NonZeroU64;

use artifact_backend::{ArtifactId, Operation, Result};
use rustix::fs::Advice;

use crate::error::failed;
use crate::publish::publish;
use crate::shared::Shared;
use crate::staging::Temporary;
use crate::sys::{self, SysResult};

/// Write-back starts after each of these steps, so that the final sync has little left to write.
const WRITE_BACK: u64 = 1 << 20;
/// Space for at most this many bytes is reserved ahead of the bytes that have arrived.
const AHEAD: u64 = 4 << 20;

/// A temporary file being written, and its progress.
///
/// It moves into the blocking pool and back. If the future is dropped meanwhile, the upload has lost
/// its writer and is broken.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    temporary: Temporary,
    size: u64,
    flushed: u64,
    reserved: u64,
    expected: u64,
}

impl BlobWriter {
    /// Creates an empty temporary file. `expected` is the announced size in bytes, or zero.
    pub(crate) fn begin(
        shared: &Shared,
        operation: Operation,
        id: ArtifactId,
        expected: u64,
    ) -> Result<Self> {
        // Bytes that will not be acknowledged are not taken.
        shared.root.failed_syncs().check(operation, Some(id))?;
        Ok(Self {
            temporary: Temporary::new(&shared.root, &shared.tmpfile, operation, id)?,
            size: 0,
            flushed: 0,
            reserved: 0,
            expected,
        })
    }

    /// Sets the announced size in bytes.
    pub(crate) fn expect(&mut self, bytes: u64) {
        self.expected = bytes;
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> SysResult<()> {
        self.reserve_ahead(bytes.len() as u64);
        for chunk in bytes.chunks(1 << 20) {
            sys::write_all(self.temporary.file(), chunk)?;
            self.size += chunk.len() as u64;
            if self.size - self.flushed >= WRITE_BACK {
                self.begin_write_back();
            }
        }
        Ok(())
    }

    /// Reserves space for `next` bytes that have arrived and are about to be written, and a step ahead:
    /// as much as has arrived in all, at most [`AHEAD`], never more than the announced size. So an
    /// announcement whose bytes never come reserves next to nothing. For a blob of at most one write-back
    /// step, reserving costs more than it saves.
    fn reserve_ahead(&mut self, next: u64) {
        let arrived = self.size + next;
        if self.expected > WRITE_BACK && arrived > self.reserved && self.reserved < self.expected {
            let end = self.expected.min(arrived + arrived.min(AHEAD));
            self.temporary.reserve(self.reserved, end - self.reserved);
            self.reserved = end;
        }
    }

    /// Starts write-back of everything written since the last call.
    ///
    /// `POSIX_FADV_DONTNEED` starts it without waiting, like `sync_file_range(2)` with only its WRITE
    /// flag. Pages that are being written stay in the cache. A failure is harmless: the final sync
    /// writes the rest.
    fn begin_write_back(&mut self) {
        let length = NonZeroU64::new(self.size - self.flushed);
        let file = self.temporary.file();
        let _ = rustix::fs::fadvise(file, self.flushed, length, Advice::DontNeed);
        self.flushed = self.size;
    }

    /// Publishes the written bytes as the blob `id`.
    pub(crate) fn publish(
        self,
        shared: &Shared,
        operation: Operation,
        id: ArtifactId,
    ) -> Result<()> {
        if self.reserved > self.size {
            self.temporary
                .trim(self.size)
                .map_err(|errno| failed(operation, Some(id), "free the reserved space", errno))?;
        }
        publish(shared, self.temporary, operation, id, self.size)
    }

    /// Removes the temporary file's name, if it has one.
    pub(crate) fn discard(&mut self) -> SysResult<()> {
        self.temporary.remove_name()
    }
}
