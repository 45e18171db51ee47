//! Loads a whole blob into memory.

use std::os::fd::AsFd;
use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use bytes::Bytes;

use crate::buffers::{Buffer, Buffers};
use crate::linux::blob::{self, Blob};
use crate::linux::error::{corrupt, failed};
use crate::linux::root::Root;
use crate::linux::shared::Shared;
use crate::linux::{coop, sys};

pub(crate) async fn load(shared: &Arc<Shared>, id: ArtifactId) -> Result<Bytes> {
    let mut opened = None;
    let limit = shared.inline_limit();
    if limit > 0 {
        match load_cached(&shared.root, &shared.buffers, id, limit)? {
            FastPath::Done(bytes) => {
                coop::charge(bytes.len() as u64).await;
                return Ok(bytes);
            }
            FastPath::Large(blob) => return load_large(shared, id, blob, limit).await,
            FastPath::Uncached(blob) => opened = Some(blob),
            FastPath::Blocking => {}
        }
    }
    let task_shared = Arc::clone(shared);
    let work = move || {
        let blob = match opened {
            Some(blob) => blob,
            None => blob::open(&task_shared.root, Operation::Load, id)?,
        };
        BlobReader::new(blob, &task_shared.buffers, id)?.read_to_end()
    };
    shared.reads.run(Operation::Load, work).await
}

/// The result of an attempt to load a blob without waiting for the disk.
#[derive(Debug)]
enum FastPath {
    /// The whole blob was cached.
    Done(Bytes),
    /// The blob is open, but too large for one read on the caller's thread.
    Large(Blob),
    /// The blob is open, but some of its bytes are not cached.
    Uncached(Blob),
    /// Opening the blob needs the disk.
    Blocking,
}

/// Loads a blob of at most `limit` bytes on the caller's thread if its name, inode and bytes are cached.
/// openat2(2) with `RESOLVE_CACHED` and preadv2(2) with `RWF_NOWAIT` never wait for the disk.
fn load_cached(root: &Root, buffers: &Buffers, id: ArtifactId, limit: u64) -> Result<FastPath> {
    let Some(blob) = blob::open_cached(root, Operation::Load, id)? else {
        return Ok(FastPath::Blocking);
    };
    let length = match usize::try_from(blob.size) {
        Ok(length) if blob.size <= limit => length,
        _ => return Ok(FastPath::Large(blob)),
    };
    // One byte more than the blob has, to detect a file that grew.
    let mut buffer = buffers.take(length + 1);
    let read = sys::read_cached(blob.file.as_fd(), &mut buffer.as_mut()[..=length], 0);
    if read == length {
        Ok(FastPath::Done(buffer.into_bytes(length)))
    } else {
        Ok(FastPath::Uncached(blob))
    }
}

/// Loads a large blob. Cached bytes are read on the caller's thread, `step` bytes at a time; the rest
/// is read by one task on the blocking pool.
async fn load_large(shared: &Shared, id: ArtifactId, blob: Blob, step: u64) -> Result<Bytes> {
    let permit = shared.copies.acquire().await;
    let mut reader = BlobReader::new(blob, &shared.buffers, id)?;
    while let Some(read) = reader.read_cached(step) {
        coop::charge(read).await;
    }
    if reader.is_done() {
        return reader.finish();
    }
    drop(permit);
    shared
        .reads
        .run(Operation::Load, move || reader.read_to_end())
        .await
}

/// An open blob, and how much of it was read.
#[derive(Debug)]
struct BlobReader {
    blob: Blob,
    id: ArtifactId,
    buffer: Buffer,
    length: usize,
    /// One byte more than the blob has, to detect a file that grew.
    wanted: usize,
    done: bool,
}

impl BlobReader {
    fn new(blob: Blob, buffers: &Buffers, id: ArtifactId) -> Result<Self> {
        let wanted = usize::try_from(blob.size)
            .ok()
            .and_then(|size| size.checked_add(1));
        let Some(wanted) = wanted else {
            return Err(Error::new(ErrorKind::TooLarge, Operation::Load)
                .with_id(id)
                .with_detail("the blob does not fit in memory; use download instead of load"));
        };
        Ok(Self {
            blob,
            id,
            buffer: buffers.take(wanted),
            length: 0,
            wanted,
            done: false,
        })
    }

    /// Reads up to `limit` cached bytes. Returns `None` if the next bytes are not cached or the file
    /// has ended.
    fn read_cached(&mut self, limit: u64) -> Option<u64> {
        if self.done {
            return None;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let end = self.wanted.min(self.length.saturating_add(limit));
        let room = &mut self.buffer.as_mut()[self.length..end];
        let requested = room.len();
        let read = sys::read_cached(self.blob.file.as_fd(), room, self.length as u64);
        self.record_read(requested, read);
        (read > 0).then_some(read as u64)
    }

    /// Reads the rest and waits for the disk.
    fn read_to_end(mut self) -> Result<Bytes> {
        while !self.done {
            let room = &mut self.buffer.as_mut()[self.length..self.wanted];
            let (requested, at) = (room.len(), self.length as u64);
            let read = sys::retry(|| rustix::io::pread(&self.blob.file, &mut *room, at))
                .map_err(|errno| failed(Operation::Load, Some(self.id), "read the blob", errno))?;
            self.done = read == 0;
            self.record_read(requested, read);
        }
        self.finish()
    }

    fn record_read(&mut self, requested: usize, read: usize) {
        self.length += read;
        // A short read that reaches the expected size ended at the end of the file (read(2)).
        let at_end = read < requested && self.length as u64 >= self.blob.size;
        self.done |= (at_end && read > 0) || self.length == self.wanted;
    }

    /// Returns whether the reader has seen the end of the file.
    fn is_done(&self) -> bool {
        self.done
    }

    /// Returns the bytes if there are exactly as many as the blob has.
    fn finish(self) -> Result<Bytes> {
        if self.length as u64 == self.blob.size {
            return Ok(self.buffer.into_bytes(self.length));
        }
        let detail = "the file changed its size while it was read";
        Err(corrupt(Operation::Load, self.id, detail))
    }
}
