//! The files of segments: names, reads, searches.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use bytes::{Bytes, BytesMut};

use crate::format::BLOCK;
use crate::format::entry::{Entry, NotePlace, blob_checksum, checked_note};
use crate::format::fences::Fences;
use crate::format::filter::Filter;
use crate::format::frame::Position;
use crate::format::index::{self, PER_BLOCK, Search, Step};
use crate::format::segment::Footer;
use crate::linux::error::{corrupt, failed};
use crate::linux::sys;

/// Returns the name of the file of a segment.
pub(crate) fn name(number: u32) -> String {
    format!("{number:08x}")
}

/// Returns the number of a segment from the name of its file.
pub(crate) fn number(text: &str) -> Option<u32> {
    let number = u32::from_str_radix(text, 16).ok()?;
    (number > 0 && name(number) == text).then_some(number)
}

/// An open file of a segment.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) number: u32,
    pub(crate) epoch: u64,
    pub(crate) file: File,
}

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It fails with [`NotCached`] instead.
    Never,
    /// It fails with [`NotCached`] without a look at the page cache.
    Memory,
    Disk,
}

/// The bytes are not in the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCached;

impl SegmentFile {
    /// Reads into a buffer.
    fn read(
        &self,
        buffer: &mut [u8],
        at: u64,
        wait: Wait,
        fail: impl FnOnce(rustix::io::Errno) -> Error,
    ) -> Result<Result<(), NotCached>> {
        match wait {
            Wait::Never if sys::read_cached(&self.file, buffer, at) => Ok(Ok(())),
            Wait::Never | Wait::Memory => Ok(Err(NotCached)),
            Wait::Disk => sys::read_exact(&self.file, buffer, at)
                .map(Ok)
                .map_err(fail),
        }
    }

    /// Reads the bytes of a blob. Returns `None` if they are not what was stored.
    pub(crate) fn blob(
        &self,
        operation: Operation,
        id: ArtifactId,
        (offset, length, crc): (u32, u32, u64),
        wait: Wait,
    ) -> Result<Result<Option<Bytes>, NotCached>> {
        let mut buffer = BytesMut::zeroed(length as usize);
        let fail = |errno| failed(operation, Some(id), "read the blob", errno);
        if length > 0
            && let Err(NotCached) = self.read(&mut buffer, offset.into(), wait, fail)?
        {
            return Ok(Err(NotCached));
        }
        let intact = blob_checksum(id, &buffer) == crc;
        Ok(Ok(intact.then(|| buffer.freeze())))
    }

    /// Reads a note. Returns `None` if it is not what was stored.
    pub(crate) fn note(
        &self,
        operation: Operation,
        id: ArtifactId,
        place: NotePlace,
    ) -> Result<Option<Bytes>> {
        let mut buffer = vec![0; place.total()];
        let fail = |errno| failed(operation, Some(id), "read the note of a blob", errno);
        sys::read_exact(&self.file, &mut buffer, place.offset.into()).map_err(fail)?;
        Ok(checked_note(id, &buffer).map(Bytes::copy_from_slice))
    }
}

/// A segment that is not written to any more.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) footer: Footer,
    pub(crate) filter: Filter,
    pub(crate) fences: Fences,
    /// How many bytes of blobs later records have made useless.
    pub(crate) freed: AtomicU64,
}

impl Sealed {
    pub(crate) fn number(&self) -> u32 {
        self.file.number
    }

    /// Returns the end of the frames. The checksum of the last one is not known.
    pub(crate) fn end(&self) -> Position {
        Position {
            segment: self.number(),
            epoch: self.file.epoch,
            offset: u32::try_from(self.footer.frames_end).unwrap_or(u32::MAX),
            previous: 0,
        }
    }

    /// Returns the number of blocks of the index.
    pub(crate) fn blocks(&self) -> u64 {
        self.footer.entries.div_ceil(PER_BLOCK as u64)
    }

    /// Reads a block of the index.
    pub(crate) fn block(
        &self,
        operation: Operation,
        number: u64,
        wait: Wait,
    ) -> Result<Result<Vec<Entry>, NotCached>> {
        let mut block = [0; BLOCK];
        if let Err(NotCached) = self.read_block(operation, number, wait, &mut block)? {
            return Ok(Err(NotCached));
        }
        match index::decode(self.file.epoch, number, &block) {
            Some(entries) => Ok(Ok(entries)),
            None => Err(self.damaged_index(operation, number)),
        }
    }

    fn read_block(
        &self,
        operation: Operation,
        number: u64,
        wait: Wait,
        block: &mut [u8; BLOCK],
    ) -> Result<Result<(), NotCached>> {
        let at = self.footer.frames_end + number * BLOCK as u64;
        let fail = |errno| failed(operation, None, "read the index of a segment", errno);
        self.file.read(block, at, wait, fail)
    }

    /// Raises the alarm for a block of the index.
    fn damaged_index(&self, operation: Operation, block: u64) -> Error {
        let name = name(self.number());
        tracing::error!(
            alarm = "corrupt-segment",
            segment = name,
            block,
            "a block of the index is damaged; restore the segment from a backup"
        );
        let detail =
            format!("the index of the segment {name} is damaged; restore the file from a backup");
        Error::new(ErrorKind::Corrupt, operation).with_detail(detail)
    }

    /// Searches the index for an id. Reads one block of it, or two if the segment has no fences.
    pub(crate) fn search(
        &self,
        operation: Operation,
        id: ArtifactId,
        wait: Wait,
    ) -> Result<Result<Option<Entry>, NotCached>> {
        let blocks = self.fences.blocks(id, self.blocks());
        let (mut search, mut step) = Search::new(id, blocks);
        let mut block = [0; BLOCK];
        loop {
            let number = match step {
                Step::Absent => return Ok(Ok(None)),
                Step::Found(entry) => return Ok(Ok(Some(entry))),
                Step::Read(number) => number,
            };
            let read = self.read_block(operation, number, wait, &mut block);
            if let Err(NotCached) = read.map_err(|error| error.with_id(id))? {
                return Ok(Err(NotCached));
            }
            let verified = index::Block::verify(self.file.epoch, number, &block);
            step = verified
                .and_then(|block| search.feed(number, &block))
                .ok_or_else(|| self.damaged_index(operation, number).with_id(id))?;
        }
    }
}

/// The error of a blob whose note is not what was stored.
pub(crate) fn damaged_note(operation: Operation, id: ArtifactId) -> Error {
    corrupt(
        operation,
        id,
        "the note of the blob does not match its checksum; restore the segment from a backup",
    )
}

/// The error of a blob whose bytes are not what was stored.
pub(crate) fn damaged(operation: Operation, id: ArtifactId) -> Error {
    corrupt(
        operation,
        id,
        "the stored bytes do not match their checksum; restore the blob from a backup",
    )
}
