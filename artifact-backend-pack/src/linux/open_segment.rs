//! The segment that is written to.

use std::fs::File;
use std::sync::Arc;

use artifact_backend::random;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::format::BLOCK;
use crate::format::frame::{self, Frame, Position};
use crate::format::log::Log;
use crate::format::segment::Header;
use crate::linux::root::Root;
use crate::linux::segment::{self, SegmentFile};
use crate::linux::sys::{self, SysResult};

/// The bytes that are prepared first, and at most at once.
const FIRST_STEP: u64 = 64 << 10;
const MAX_STEP: u64 = 4 << 20;
/// The length of a frame from which on writing zeros ahead of it costs more than the metadata that its sync writes.
const NOT_PREPARED: usize = 48 << 10;

/// The segment that is written to. Only the committer has it.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) log: Log,
    capacity: u64,
    /// How far the file has blocks that were written before. Writing them again changes no metadata, so a sync need not write any.
    prepared: u64,
    /// Set if a frame of the segment is damaged. Nothing is written to it any more but its index.
    pub(crate) damage: Option<Damage>,
    mark: Mark,
}

/// The state of the mark behind the last frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// There is no frame since the segment was created or recovered.
    NotNeeded,
    /// The last frame is durable and has no mark.
    Missing,
    /// It was written and not synced yet.
    Written,
}

/// What the recovery of a segment with damaged frames says.
#[derive(Debug)]
pub(crate) struct Damage {
    /// The offsets of the frames of which nothing is known.
    pub(crate) lost: Vec<u32>,
    /// Where the index goes: behind everything that the file has, so that nothing is overwritten.
    pub(crate) index_at: u64,
}

impl OpenSegment {
    /// Creates a segment, from a spare file if there is one. It is durable when this returns.
    pub(crate) fn create(root: &Root, number: u32, capacity: u64) -> SysResult<Self> {
        let header = Header {
            segment: number,
            // A spare file has frames of other segments. Their epochs show that they are not of this one.
            epoch: u64::from_le_bytes(random::bytes()),
        };
        let (file, size) = match recycle(root, header, capacity)? {
            Some(recycled) => recycled,
            None => create_file(root, header)?,
        };
        let file = SegmentFile {
            number,
            epoch: header.epoch,
            file,
        };
        Ok(Self::new(file, first_frame(header), capacity, size))
    }

    /// Goes on with a segment after its recovery.
    pub(crate) fn new(file: SegmentFile, end: Position, capacity: u64, size: u64) -> Self {
        Self {
            file: Arc::new(file),
            log: Log::new(end, capacity),
            capacity,
            prepared: size,
            damage: None,
            mark: Mark::NotNeeded,
        }
    }

    /// Writes a frame at the end of the log, and zeros behind it from time to time if it is short. It is not durable yet.
    pub(crate) fn write(&mut self, frame: &Frame) -> SysResult<()> {
        let at = u64::from(self.log.end().offset);
        let end = at + frame.bytes.len() as u64;
        sys::write_all(&self.file.file, &frame.bytes, at)?;
        if end > self.prepared && frame.bytes.len() < NOT_PREPARED {
            let step = end
                .clamp(FIRST_STEP, MAX_STEP)
                .min(self.capacity.saturating_sub(end));
            // It only makes later syncs cheaper, so a full disk is no reason to fail.
            let prepared = sys::write_all(&self.file.file, &zeros(step), end);
            self.prepared = end + prepared.map_or(0, |()| step);
        }
        Ok(())
    }

    /// Notes that the last frame is durable.
    pub(crate) fn synced(&mut self) {
        self.log.synced();
        self.mark = Mark::Missing;
    }

    /// Writes the mark behind the frames, which are durable, if it is missing. It is not synced: a later sync does it, or the kernel
    /// some time later. The next frame overwrites it.
    pub(crate) fn write_mark(&mut self) {
        if self.mark != Mark::Missing {
            return;
        }
        let end = self.log.end();
        // Without a mark, damage of the last frame cannot be distinguished from a crash. Nothing else depends on it.
        let written = sys::write_all(&self.file.file, &frame::mark(end), end.offset.into());
        if written.is_ok() {
            self.mark = Mark::Written;
        }
    }

    /// Makes the mark durable.
    pub(crate) fn sync_mark(&self, root: &Root) -> SysResult<()> {
        if self.mark == Mark::Written {
            self.sync(root)
        } else {
            Ok(())
        }
    }

    /// Makes the frame durable.
    pub(crate) fn sync(&self, root: &Root) -> SysResult<()> {
        root.sync_bytes(&self.file.file)
    }
}

/// Creates the file of a segment. Returns it with its size.
fn create_file(root: &Root, header: Header) -> SysResult<(File, u64)> {
    let name = segment::name(header.segment);
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    let file = match sys::open_file(root.segments(), &name, flags) {
        Err(Errno::EXIST) => {
            remove_unused(root, header.segment)?;
            sys::open_file(root.segments(), &name, flags)?
        }
        opened => opened?,
    };
    let written = sys::write_all(&file, &header.encode(), 0)
        .and_then(|()| sys::write_all(&file, &zeros(FIRST_STEP), BLOCK as u64))
        .and_then(|()| root.sync(&file))
        .and_then(|()| root.sync(root.segments()));
    if let Err(errno) = written {
        // If the name stays, the next attempt removes the file, which has no frame.
        let _ = sys::unlink(root.segments(), &name);
        return Err(errno);
    }
    Ok((file, BLOCK as u64 + FIRST_STEP))
}

/// Makes a spare file a segment. Returns it with its size, or `None` if no spare file can be used.
///
/// The header is durable before the file gets the name of a segment. A mark behind it says that there is no frame yet.
fn recycle(root: &Root, header: Header, capacity: u64) -> SysResult<Option<(File, u64)>> {
    let Some(spare) = root.spares.take() else {
        return Ok(None);
    };
    let segments = root.segments();
    let file = sys::open_file(segments, &spare.name, OFlags::RDWR)?;
    let size = sys::size(&file)?;
    if size > capacity {
        sys::unlink(segments, &spare.name)?;
        return Ok(None);
    }
    let name = segment::name(header.segment);
    if sys::exists(segments, &name)? {
        remove_unused(root, header.segment)?;
    }
    let first = first_frame(header);
    let begin = [header.encode(), frame::mark(first)].concat();
    sys::write_all(&file, &begin, 0)?;
    root.sync(&file)?;
    sys::rename(segments, &spare.name, &name)?;
    root.sync(segments)?;
    Ok(Some((file, size.max(begin.len() as u64))))
}

/// Removes a segment that a crash left while it was created.
fn remove_unused(root: &Root, number: u32) -> SysResult<()> {
    let name = segment::name(number);
    let file = sys::open_file(root.segments(), &name, OFlags::RDONLY)?;
    if number <= root.head() || !is_unused(&file)? {
        return Err(Errno::EXIST);
    }
    sys::unlink(root.segments(), &name)
}

/// Returns whether a file has nothing but zeros behind its first block.
pub(crate) fn is_unused(file: &File) -> SysResult<bool> {
    let size = sys::size(file)?;
    let mut at = BLOCK as u64;
    let mut buffer = vec![0; 64 << 10];
    while at < size {
        let rest = usize::try_from(size - at).unwrap_or(usize::MAX);
        let length = buffer.len().min(rest);
        sys::read_exact(file, &mut buffer[..length], at)?;
        if buffer[..length].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
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
