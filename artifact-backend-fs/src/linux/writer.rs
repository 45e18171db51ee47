//! Writes the bytes of a new blob into a temporary file.

use std::num::NonZeroU64;
use std::sync::Arc;

use artifact_backend::{ArtifactId, Operation, Result};
use rustix::fs::Advice;

use crate::linux::error::failed;
use crate::linux::publish::publish;
use crate::linux::shared::Shared;
use crate::linux::staging::Temporary;
use crate::linux::sys;
use crate::upload::BlobWriter;

/// Write-back starts after each of these steps, so that the final sync has little left to write.
const WRITE_BACK: u64 = 1 << 20;
/// Space for at most this many bytes is reserved ahead of the bytes that have arrived.
const AHEAD: u64 = 4 << 20;

/// A temporary file being written, and its progress.
///
/// It moves into the blocking pool and back. If the future is dropped meanwhile, the upload has lost
/// its writer and is broken.
#[derive(Debug)]
pub(crate) struct FileWriter {
    shared: Arc<Shared>,
    id: ArtifactId,
    temporary: Temporary,
    size: u64,
    flushed: u64,
    reserved: u64,
    expected: u64,
}

impl FileWriter {
    /// Creates an empty temporary file. `expected` is the announced size in bytes, or zero.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        operation: Operation,
        id: ArtifactId,
        expected: u64,
    ) -> Result<Self> {
        // Bytes that will not be acknowledged are not taken.
        shared.root.failed_syncs().check(operation, Some(id))?;
        Ok(Self {
            temporary: Temporary::new(&shared.root, &shared.tmpfile, operation, Some(id))?,
            shared,
            id,
            size: 0,
            flushed: 0,
            reserved: 0,
            expected,
        })
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
}

impl BlobWriter for FileWriter {
    fn expect(&mut self, bytes: u64) {
        self.expected = bytes;
    }

    fn write(&mut self, operation: Operation, bytes: &[u8]) -> Result<()> {
        self.reserve_ahead(bytes.len() as u64);
        for chunk in bytes.chunks(1 << 20) {
            sys::write_all(self.temporary.file(), chunk)
                .map_err(|errno| failed(operation, Some(self.id), "write the bytes", errno))?;
            self.size += chunk.len() as u64;
            if self.size - self.flushed >= WRITE_BACK {
                self.begin_write_back();
            }
        }
        Ok(())
    }

    fn publish(self, operation: Operation) -> Result<()> {
        if self.reserved > self.size {
            self.temporary.trim(self.size).map_err(|errno| {
                failed(operation, Some(self.id), "free the reserved space", errno)
            })?;
        }
        publish(&self.shared, self.temporary, operation, self.id, self.size)
    }

    fn discard(&mut self) -> Result<()> {
        self.temporary.remove_name().map_err(|errno| {
            let action = "remove the temporary file";
            failed(Operation::Abort, Some(self.id), action, errno)
        })
    }
}
