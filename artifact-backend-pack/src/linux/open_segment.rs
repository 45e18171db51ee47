//! The segment that is written to.

use std::sync::Arc;

use artifact_backend::random;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::format::BLOCK;
use crate::format::frame::{Frame, Position};
use crate::format::log::Log;
use crate::format::segment::Header;
use crate::linux::root::Root;
use crate::linux::segment::{self, SegmentFile};
use crate::linux::sys::{self, SysResult};

/// The bytes that are prepared first, and at most at once.
const FIRST_STEP: u64 = 64 << 10;
const MAX_STEP: u64 = 4 << 20;

/// The segment that is written to. Only the committer has it.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) log: Log,
    capacity: u64,
    /// How far the file has blocks that were written before. Writing them again changes no metadata, so a sync need not write any.
    prepared: u64,
}

impl OpenSegment {
    /// Creates a segment. It is durable when this returns.
    pub(crate) fn create(root: &Root, number: u32, capacity: u64) -> SysResult<Self> {
        let header = Header {
            segment: number,
            epoch: u64::from_le_bytes(random::bytes()),
        };
        let name = segment::name(number);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        let file = sys::open_file(root.segments(), &name, flags)?;
        let written = sys::write_all(&file, &header.encode(), 0)
            .and_then(|()| sys::write_all(&file, &zeros(FIRST_STEP), BLOCK as u64))
            .and_then(|()| root.sync(&file))
            .and_then(|()| root.sync(root.segments()));
        if let Err(errno) = written {
            // The name must be free for the next attempt. If it stays, the next start removes the file, which has no frame.
            let _ = sys::unlink(root.segments(), &name);
            return Err(errno);
        }
        let file = SegmentFile {
            number,
            epoch: header.epoch,
            file,
        };
        let first = first_frame(header);
        Ok(Self::new(file, first, capacity, BLOCK as u64 + FIRST_STEP))
    }

    /// Goes on with a segment after its recovery.
    pub(crate) fn new(file: SegmentFile, end: Position, capacity: u64, size: u64) -> Self {
        Self {
            file: Arc::new(file),
            log: Log::new(end, capacity),
            capacity,
            prepared: size,
        }
    }

    /// Writes a frame at the end of the log, and zeros behind it from time to time. It is not durable yet.
    pub(crate) fn write(&mut self, frame: &Frame) -> SysResult<()> {
        let at = u64::from(self.log.end().offset);
        let end = at + frame.bytes.len() as u64;
        sys::write_all(&self.file.file, &frame.bytes, at)?;
        if end > self.prepared {
            let step = end
                .clamp(FIRST_STEP, MAX_STEP)
                .min(self.capacity.saturating_sub(end));
            // It only makes later syncs cheaper, so a full disk is no reason to fail.
            let prepared = sys::write_all(&self.file.file, &zeros(step), end);
            self.prepared = end + prepared.map_or(0, |()| step);
        }
        Ok(())
    }

    /// Makes the frame durable.
    pub(crate) fn sync(&self) -> SysResult<()> {
        sys::fdatasync(&self.file.file)
    }
}

/// Returns where the first frame of a segment begins.
pub(crate) fn first_frame(header: Header) -> Position {
    Position {
        segment: header.segment,
        epoch: header.epoch,
        offset: u32::try_from(BLOCK).expect("a block is small"),
        previous: header.checksum(),
    }
}

fn zeros(length: u64) -> Vec<u8> {
    vec![0; usize::try_from(length).expect("a step is small")]
}

/// Returns whether the error of a write says that there was no room, so that nothing else is wrong with the disk.
pub(crate) fn is_full(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::DQUOT | Errno::FBIG)
}
