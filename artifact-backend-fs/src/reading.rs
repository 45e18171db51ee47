//! A whole blob on its way into memory.

use std::os::fd::AsFd;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use bytes::Bytes;

use crate::buffers::{Buffer, Buffers};
use crate::error::{corrupt, failed};
use crate::load::{Blob, read_cached};
use crate::sys;

/// An open blob, and how far it was read.
#[derive(Debug)]
pub(crate) struct Reading {
    blob: Blob,
    id: ArtifactId,
    buffer: Buffer,
    length: usize,
    /// One byte more than the blob has, which shows a file that grew.
    wanted: usize,
    ended: bool,
}

impl Reading {
    pub(crate) fn new(blob: Blob, buffers: &Buffers, id: ArtifactId) -> Result<Self> {
        let wanted = usize::try_from(blob.size)
            .ok()
            .and_then(|size| size.checked_add(1));
        let Some(wanted) = wanted else {
            return Err(Error::new(ErrorKind::TooLarge, Operation::Load)
                .with_id(id)
                .with_detail("the blob is larger than the memory of any machine; download it"));
        };
        Ok(Self {
            blob,
            id,
            buffer: buffers.take(wanted),
            length: 0,
            wanted,
            ended: false,
        })
    }

    /// Reads up to `most` bytes that are in the page cache; `None` where the next are not, or are no
    /// more.
    pub(crate) fn step(&mut self, most: u64) -> Option<u64> {
        if self.ended {
            return None;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let end = self.wanted.min(self.length.saturating_add(most));
        let room = &mut self.buffer.as_mut()[self.length..end];
        let asked = room.len();
        let read = read_cached(self.blob.file.as_fd(), room, self.length as u64);
        self.took(asked, read);
        (read > 0).then_some(read as u64)
    }

    /// Reads the rest, however long the disk takes.
    pub(crate) fn wait(mut self) -> Result<Bytes> {
        while !self.ended {
            let room = &mut self.buffer.as_mut()[self.length..self.wanted];
            let (asked, at) = (room.len(), self.length as u64);
            let read = sys::retry(|| rustix::io::pread(&self.blob.file, &mut *room, at))
                .map_err(|errno| failed(Operation::Load, Some(self.id), "read the blob", errno))?;
            self.ended = read == 0;
            self.took(asked, read);
        }
        self.finish()
    }

    fn took(&mut self, asked: usize, read: usize) {
        self.length += read;
        // A read that leaves room free, at or past the size, ended at the end of the file (read(2)).
        let at_end = read < asked && self.length as u64 >= self.blob.size;
        self.ended |= (at_end && read > 0) || self.length == self.wanted;
    }

    /// Whether all of it was read, and the end of the file seen.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended
    }

    /// The bytes, if they are as many as the blob has.
    pub(crate) fn finish(self) -> Result<Bytes> {
        if self.length as u64 == self.blob.size {
            return Ok(self.buffer.into_bytes(self.length));
        }
        Err(corrupt(
            Operation::Load,
            self.id,
            "the file changed its length while it was read",
        ))
    }
}
