//! Opens the segments of a root. Sealed ones are read at their end only; the open one is recovered frame by frame.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::format::BLOCK;
use crate::format::entry::Entry;
use crate::format::filter::Filter;
use crate::format::log::last_of_each;
use crate::format::recovery::Recovery;
use crate::format::segment::{Footer, Header};
use crate::linux::error::failed;
use crate::linux::index::{Index, Open};
use crate::linux::open_segment::{OpenSegment, first_frame};
use crate::linux::root::Root;
use crate::linux::seal::seal;
use crate::linux::segment::{self, Sealed, SegmentFile};
use crate::linux::sys;

/// The segments of a root.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) open: Option<OpenSegment>,
    /// The number of the next segment.
    pub(crate) next: u32,
}

/// What the names in the folder of segments say.
#[derive(Debug, Default)]
struct Names {
    segments: Vec<u32>,
    /// Segments with the end of their good part, after a failed sync.
    cuts: Vec<(u32, u32, String)>,
}

fn fail(action: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| failed(Operation::Open, None, action, errno)
}

fn corrupt(number: u32, problem: &str) -> Error {
    let name = segment::name(number);
    tracing::error!(alarm = "corrupt-segment", segment = name, "{problem}");
    let detail = format!("the segment {name} {problem}; restore the file from a backup");
    Error::new(ErrorKind::Corrupt, Operation::Open).with_detail(detail)
}

fn read_names(root: &Root) -> Result<Names> {
    let mut names = Names::default();
    for name in sys::names(root.segments()).map_err(fail("read the folder of segments"))? {
        let cut = name.split_once(".cut-").and_then(|(number, end)| {
            let end = u32::from_str_radix(end, 16).ok()?;
            Some((segment::number(number)?, end))
        });
        if let Some(number) = segment::number(&name) {
            names.segments.push(number);
        } else if let Some((number, end)) = cut {
            names.cuts.push((number, end, name));
        } else {
            tracing::warn!(name, "a foreign file in the folder of segments is ignored");
        }
    }
    names.segments.sort_unstable();
    Ok(names)
}

/// Opens all segments. What is found afterwards is durable.
pub(crate) fn open(root: &Root, segment_bytes: u32) -> Result<Opened> {
    let names = read_names(root)?;
    let index = Index::default();
    let last = names.segments.last().copied().unwrap_or(0);
    let mut open = None;
    for number in names.segments {
        let file = sys::open_file(root.segments(), &segment::name(number), OFlags::RDWR)
            .map_err(fail("open a segment"))?;
        let size = sys::size(&file).map_err(fail("inspect a segment"))?;
        if let Some((footer, filter)) = read_footer(&file, number, size)? {
            index.add(Sealed {
                file: Arc::new(SegmentFile {
                    number,
                    epoch: footer.epoch,
                    file,
                }),
                footer,
                filter,
                freed: AtomicU64::new(0),
            });
        } else if number == last {
            let cuts = names.cuts.iter().filter(|(cut, ..)| *cut == number);
            let cut = cuts.map(|(_, end, _)| u64::from(*end)).min();
            open = recover(root, &index, (file, number, size), cut, segment_bytes)?;
        } else {
            return Err(corrupt(
                number,
                "has no valid footer, but is not the last one",
            ));
        }
    }
    for (_, _, name) in names.cuts {
        // The segment is sealed at the end of its good part by now.
        sys::unlink(root.segments(), &name).map_err(fail("remove the record of a failed sync"))?;
    }
    Ok(Opened {
        index,
        open,
        next: last + 1,
    })
}

/// Reads the footer and the filter of a segment. Returns `None` if it is not sealed.
fn read_footer(file: &File, number: u32, size: u64) -> Result<Option<(Footer, Filter)>> {
    let mut block = [0; BLOCK];
    let Some(at) = size.checked_sub(BLOCK as u64) else {
        return Ok(None);
    };
    sys::read_exact(file, &mut block, at).map_err(fail("read the footer of a segment"))?;
    let Some(footer) = Footer::decode(&block, number, size) else {
        return Ok(None);
    };
    let length = usize::try_from(footer.filter_bytes).expect("a filter is part of a segment");
    let mut filter = vec![0; length];
    sys::read_exact(file, &mut filter, footer.filter_at)
        .map_err(fail("read the filter of a segment"))?;
    let filter = Filter::from_bytes(filter);
    let intact = filter.filter(|filter| filter.checksum() == footer.filter_checksum);
    let filter = intact.unwrap_or_else(|| {
        tracing::error!(
            alarm = "corrupt-segment",
            segment = segment::name(number),
            "the filter is damaged, so that reads are slower; restore the segment from a backup"
        );
        Filter::all()
    });
    Ok(Some((footer, filter)))
}

/// Recovers the last segment. Goes on with it, or seals it where its good part ended before a failed sync.
fn recover(
    root: &Root,
    index: &Index,
    (file, number, size): (File, u32, u64),
    cut: Option<u64>,
    segment_bytes: u32,
) -> Result<Option<OpenSegment>> {
    let read = fail("read a segment");
    let mut block = [0; BLOCK];
    let header = match sys::read_exact(&file, &mut block, 0) {
        Ok(()) => Header::decode(&block, number),
        Err(Errno::NODATA) => None,
        Err(errno) => return Err(read(errno)),
    };
    let Some(header) = header else {
        return remove_unused(root, &file, number, size).map(|()| None);
    };
    let good = cut.unwrap_or(size).min(size);
    let mut recovery = Recovery::new(first_frame(header), good);
    let mut entries: Vec<Entry> = Vec::new();
    let mut buffer = Vec::new();
    while let Some((at, length)) = recovery.wants() {
        buffer.resize(length, 0);
        sys::read_exact(&file, &mut buffer, at).map_err(&read)?;
        entries.extend(recovery.feed(&buffer).into_iter().flatten());
    }
    let end = recovery.end();
    if let Some(cut) = cut
        && u64::from(end.offset) < cut
    {
        return Err(corrupt(
            number,
            "is damaged before the end that was good when a sync failed",
        ));
    }
    // What a process wrote before it ended may not be durable yet, and will now be found.
    root.sync(&file).map_err(fail("sync a segment"))?;
    let file = SegmentFile {
        number,
        epoch: header.epoch,
        file,
    };
    let open = OpenSegment::new(file, end, u64::from(segment_bytes).max(size), size);
    index.open(Open {
        file: Arc::clone(&open.file),
        entries: HashMap::new(),
    });
    index.apply(&entries);
    if cut.is_some() {
        let entries = last_of_each(entries);
        let sealed = seal(root, &open.file, end.offset.into(), entries)
            .map_err(fail("seal the segment of a failed sync"))?;
        index.seal(sealed);
        return Ok(None);
    }
    Ok(Some(open))
}

/// Removes a segment that a crash left while it was created: nothing but its first block was ever written.
fn remove_unused(root: &Root, file: impl AsFd, number: u32, size: u64) -> Result<()> {
    let mut at = BLOCK as u64;
    let mut buffer = vec![0; 64 << 10];
    while at < size {
        let length = buffer
            .len()
            .min(usize::try_from(size - at).unwrap_or(usize::MAX));
        sys::read_exact(&file, &mut buffer[..length], at).map_err(fail("read a segment"))?;
        if buffer[..length].iter().any(|byte| *byte != 0) {
            return Err(corrupt(number, "has no valid header"));
        }
        at += length as u64;
    }
    sys::unlink(root.segments(), &segment::name(number))
        .map_err(fail("remove an unused segment"))?;
    root.sync(root.segments())
        .map_err(fail("sync the folder of segments"))
}
