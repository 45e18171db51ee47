//! The check of one segment.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::PackProblem;
use crate::format::BLOCK;
use crate::format::entry::Entry;
use crate::format::fences::Fences;
use crate::format::filter::Filter;
use crate::format::frame::{self, Position};
use crate::format::index::{self, PER_BLOCK};
use crate::format::log::last_of_each;
use crate::format::segment::{Footer, Header};
use crate::linux::open_segment::{first_frame, is_unused};
use crate::linux::opening::recover_frames;
use crate::linux::segment::name;
use crate::linux::sys::{self, SysResult};

/// Where a segment is among the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) is_newest: bool,
    /// Whether it is recorded that it, or a later one, was written to.
    pub(super) was_written: bool,
    /// What a file beside it records.
    pub(super) recorded: Option<Recorded>,
}

/// What is recorded about a segment. The file that records it is a finding itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    /// A part of it is not used, because a sync failed. Opening the root seals it.
    FailedSync,
    /// Some of its frames are lost.
    LostFrames,
}

/// Returns what is wrong with a segment.
pub(super) fn problems(folder: &File, place: Place) -> Vec<PackProblem> {
    let file = match sys::open_file(folder.as_fd(), &name(place.number), OFlags::RDONLY) {
        Ok(file) => file,
        Err(Errno::LOOP | sys::NOT_A_FILE) => return vec![PackProblem::WrongType],
        Err(errno) => return vec![unreadable(errno)],
    };
    let mut check = SegmentCheck {
        file,
        place,
        problems: Vec::new(),
    };
    if let Err(errno) = check.run() {
        check.problems.push(unreadable(errno));
    }
    check.problems
}

fn unreadable(errno: Errno) -> PackProblem {
    PackProblem::Unreadable(io::Error::from(errno).to_string())
}

/// The frames of a sealed segment.
enum Frames {
    /// The entries of all of them, in their order.
    Whole(Vec<Entry>),
    /// The entries up to this offset, where there is no valid frame. A segment with damaged blobs is sealed behind everything that its
    /// file has, which may be zeros or what is left of a former segment, so this can be its end.
    EndAt(u64, Vec<Entry>),
}

struct SegmentCheck {
    file: File,
    place: Place,
    problems: Vec<PackProblem>,
}

impl SegmentCheck {
    fn run(&mut self) -> SysResult<()> {
        let size = sys::size(&self.file)?;
        let footer = self.footer(size)?;
        let Some(header) = self.header(size)? else {
            let is_left_by_a_crash = self.place.is_newest
                && !self.place.was_written
                && footer.is_none()
                && is_unused(&self.file)?;
            if !is_left_by_a_crash {
                self.problems.push(PackProblem::Header);
            }
            return Ok(());
        };
        match footer {
            Some(footer) if footer.epoch == header.epoch => self.sealed(header, footer),
            None if self.place.is_newest => self.open(header, size),
            _ => {
                self.problems.push(PackProblem::Seal);
                Ok(())
            }
        }
    }

    fn header(&self, size: u64) -> SysResult<Option<Header>> {
        if size < BLOCK as u64 {
            return Ok(None);
        }
        Ok(Header::decode(&self.block(0)?, self.place.number))
    }

    fn footer(&self, size: u64) -> SysResult<Option<Footer>> {
        let Some(at) = size.checked_sub(BLOCK as u64) else {
            return Ok(None);
        };
        Ok(Footer::decode(&self.block(at)?, self.place.number, size))
    }

    fn block(&self, at: u64) -> SysResult<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        sys::read_exact(&self.file, &mut block, at)?;
        Ok(block)
    }

    /// Reads the newest segment as opening the root does.
    fn open(&mut self, header: Header, size: u64) -> SysResult<()> {
        if self.place.recorded == Some(Recorded::FailedSync) {
            // Its end is in the name of the record.
            return Ok(());
        }
        let (recovery, _) = recover_frames(&self.file, header, size)?;
        for offset in recovery.lost() {
            self.problems.push(PackProblem::Frame((*offset).into()));
        }
        for offset in recovery.damaged() {
            self.problems.push(PackProblem::Blobs((*offset).into()));
        }
        Ok(())
    }

    /// Reads what is not a blob of a sealed segment.
    fn sealed(&mut self, header: Header, footer: Footer) -> SysResult<()> {
        self.filter(&footer)?;
        self.fences(&footer)?;
        let index = self.index(&footer)?;
        let frames = self.frames(header, &footer)?;
        let recorded = self.place.recorded;
        match (index, &frames) {
            (Some(index), Frames::Whole(entries))
                if last_of_each(entries.iter().copied()) != index =>
            {
                self.problems.push(PackProblem::IndexDiffers);
            }
            (_, Frames::EndAt(..)) if recorded == Some(Recorded::LostFrames) => {}
            // A frame behind it would have entries that only the index has.
            (Some(index), Frames::EndAt(at, entries))
                if last_of_each(entries.iter().copied()) != index =>
            {
                self.problems.push(PackProblem::Frame(*at));
            }
            (None, Frames::EndAt(at, _)) => self.problems.push(PackProblem::Frame(*at)),
            _ => {}
        }
        Ok(())
    }

    fn filter(&mut self, footer: &Footer) -> SysResult<()> {
        let length = usize::try_from(footer.filter_bytes).map_err(|_| Errno::OVERFLOW)?;
        let mut filter = vec![0; length];
        sys::read_exact(&self.file, &mut filter, footer.filter_at)?;
        let filter = Filter::from_bytes(filter);
        if filter.is_none_or(|filter| filter.checksum() != footer.filter_checksum) {
            self.problems.push(PackProblem::Filter);
        }
        Ok(())
    }

    /// Checks the fences. A segment of an older version has none.
    fn fences(&mut self, footer: &Footer) -> SysResult<()> {
        let length = usize::try_from(footer.fences_bytes).map_err(|_| Errno::OVERFLOW)?;
        let mut encoded = vec![0; length];
        sys::read_exact(&self.file, &mut encoded, footer.fences_at)?;
        let blocks = footer.entries.div_ceil(PER_BLOCK as u64);
        let is_whole = Fences::checksum(&encoded) == footer.fences_checksum
            && Fences::decode(&encoded, blocks).is_some();
        if !encoded.is_empty() && !is_whole {
            self.problems.push(PackProblem::Fences);
        }
        Ok(())
    }

    /// Returns the entries of the index, unless a block of it is damaged.
    fn index(&mut self, footer: &Footer) -> SysResult<Option<Vec<Entry>>> {
        let (mut entries, mut is_whole) = (Vec::new(), true);
        for number in 0..footer.entries.div_ceil(PER_BLOCK as u64) {
            let block = self.block(footer.frames_end + number * BLOCK as u64)?;
            if let Some(decoded) = index::decode(footer.epoch, number, &block) {
                entries.extend(decoded);
            } else {
                self.problems.push(PackProblem::Index(number));
                is_whole = false;
            }
        }
        Ok(is_whole.then_some(entries))
    }

    /// Reads the frames from the first to the last, or to one that is not valid: it is not known then where the next one begins.
    fn frames(&self, header: Header, footer: &Footer) -> SysResult<Frames> {
        let mut entries = Vec::new();
        let mut at = first_frame(header);
        while u64::from(at.offset) < footer.frames_end {
            let first = self.block(at.offset.into())?;
            let mut table = vec![0; frame::table_bytes(&first, at).unwrap_or(0)];
            sys::read_exact(&self.file, &mut table, at.offset.into())?;
            let Some(checked) = frame::check_table(&table, at) else {
                return Ok(Frames::EndAt(at.offset.into(), entries));
            };
            entries.extend(checked.entries);
            let length = u32::try_from(checked.length).expect("a frame is shorter than 4 GiB");
            at = Position {
                offset: at.offset.saturating_add(length),
                previous: checked.checksum,
                ..at
            };
        }
        Ok(Frames::Whole(entries))
    }
}
