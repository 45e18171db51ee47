//! The files of segments: names, reads, searches.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact_backend::{ArtifactId, Operation, Result};
use bytes::{Bytes, BytesMut};

use crate::format::BLOCK;
use crate::format::entry::{Entry, NotePlace, blob_checksum, checked_note};
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
        fail: impl FnOnce(rustix::io::Errno) -> artifact_backend::Error,
    ) -> Result<Result<(), NotCached>> {
        match wait {
            Wait::Never if sys::read_cached(&self.file, buffer, at) => Ok(Ok(())),
            Wait::Never => Ok(Err(NotCached)),
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
        let at = self.footer.frames_end + number * BLOCK as u64;
        let fail = |errno| failed(operation, None, "read the index of a segment", errno);
        if let Err(NotCached) = self.file.read(&mut block, at, wait, fail)? {
            return Ok(Err(NotCached));
        }
        if let Some(entries) = index::decode(self.file.epoch, number, &block) {
            return Ok(Ok(entries));
        }
        tracing::error!(
            alarm = "corrupt-segment",
            segment = %name(self.number()),
            block = number,
            "a block of the index is damaged; restore the segment from a backup"
        );
        let detail = format!(
            "the index of the segment {} is damaged; restore the file from a backup",
            name(self.number())
        );
        Err(
            artifact_backend::Error::new(artifact_backend::ErrorKind::Corrupt, operation)
                .with_detail(detail),
        )
    }

    /// Searches the index for an id.
    pub(crate) fn search(
        &self,
        operation: Operation,
        id: ArtifactId,
        wait: Wait,
    ) -> Result<Result<Option<Entry>, NotCached>> {
        let (mut search, mut step) = Search::new(id, self.blocks());
        loop {
            match step {
                Step::Absent => return Ok(Ok(None)),
                Step::Found(entry) => return Ok(Ok(Some(entry))),
                Step::Read(number) => {
                    let read = self.block(operation, number, wait);
                    match read.map_err(|error| error.with_id(id))? {
                        Ok(entries) => step = search.feed(number, &entries),
                        Err(NotCached) => return Ok(Err(NotCached)),
                    }
                }
            }
        }
    }
}

/// The error of a blob whose note is not what was stored.
pub(crate) fn damaged_note(operation: Operation, id: ArtifactId) -> artifact_backend::Error {
    corrupt(
        operation,
        id,
        "the note of the blob does not match its checksum; restore the segment from a backup",
    )
}

/// The error of a blob whose bytes are not what was stored.
pub(crate) fn damaged(operation: Operation, id: ArtifactId) -> artifact_backend::Error {
    corrupt(
        operation,
        id,
        "the stored bytes do not match their checksum; restore the blob from a backup",
    )
}
