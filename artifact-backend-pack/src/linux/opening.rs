//! Opens the segments of a root. Sealed ones are read at their end only; the open one is recovered frame by frame.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::format::BLOCK;
use crate::format::entry::Entry;
use crate::format::filter::Filter;
use crate::format::frame::Position;
use crate::format::log::last_of_each;
use crate::format::recovery::Recovery;
use crate::format::segment::{Footer, Header};
use crate::linux::error::failed;
use crate::linux::index::{Index, Open};
use crate::linux::open_segment::{Damage, OpenSegment, first_frame, is_unused};
use crate::linux::root::{Root, head_name};
use crate::linux::seal::seal;
use crate::linux::segment::{self, Sealed, SegmentFile};
use crate::linux::sys;

/// The segments of a root.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) open: Option<OpenSegment>,
    /// The segments with a damaged frame, so that it is not known which blobs it had.
    pub(crate) lost: Vec<u32>,
    /// The number of the next segment.
    pub(crate) next: u32,
    /// The end of the frames of the newest segment.
    pub(crate) end: Option<Position>,
}

/// What the names in the folder of segments say.
#[derive(Debug, Default)]
struct Names {
    segments: Vec<u32>,
    /// Segments with the end of their good part, after a failed sync.
    cuts: Vec<(u32, u32, String)>,
    /// The segment that was the last one to be written to.
    head: u32,
    /// Segments with damaged frames that were found at an earlier start.
    lost: Vec<u32>,
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

/// Raises the alarm for damaged frames.
fn raise(number: u32, offsets: &[u32], problem: &str) {
    tracing::error!(
        alarm = "corrupt-segment",
        segment = segment::name(number),
        ?offsets,
        "{problem}; the other frames are kept. Restore what is missing from a backup"
    );
}

fn read_names(root: &Root) -> Result<Names> {
    let mut names = Names::default();
    for name in sys::names(root.segments()).map_err(fail("read the folder of segments"))? {
        let with_offset = |separator| {
            let (number, offset) = name.split_once(separator)?;
            let offset = u32::from_str_radix(offset, 16).ok()?;
            Some((segment::number(number)?, offset))
        };
        let cut = with_offset(".cut-");
        if let Some(number) = segment::number(&name) {
            names.segments.push(number);
        } else if let Some((number, end)) = cut {
            names.cuts.push((number, end, name));
        } else if let Some((number, offset)) = with_offset(".damaged-") {
            raise(number, &[offset], "has a damaged frame");
            names.lost.push(number);
        } else if let Some(number) = name.strip_prefix("head-").and_then(segment::number) {
            names.head = names.head.max(number);
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
    let newest = names.segments.last().copied().unwrap_or(0);
    if names.head > newest {
        let problem = format!(
            "was the last one and is missing; if it is lost for ever, with the blobs in it, remove the file segments/{}, or else",
            head_name(names.head)
        );
        return Err(corrupt(names.head, &problem));
    }
    root.set_head(names.head);
    let (mut open, mut next, mut lost) = (None, newest + 1, names.lost);
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
        } else if number == newest {
            let cuts = names.cuts.iter().filter(|(cut, ..)| *cut == number);
            let cut = cuts.map(|(_, end, _)| u64::from(*end)).min();
            let recovered = recover(root, &index, (file, number, size), cut, segment_bytes)?;
            match recovered {
                None => next = number,
                Some(recovered) => {
                    lost.extend(recovered.lost.first().map(|_| number));
                    open = recovered.open;
                }
            }
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
    let end = match &open {
        Some(open) => Some(open.log.end()),
        None => index.sealed().last().map(|sealed| sealed.end()),
    };
    Ok(Opened {
        index,
        open,
        lost,
        next,
        end,
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

/// The last segment after its recovery.
struct Recovered {
    /// `None` if it was sealed.
    open: Option<OpenSegment>,
    lost: Vec<u32>,
}

/// Recovers the last segment. Goes on with it, or seals it where its good part ended before a failed sync. `None` if it was never
/// used. Unless a sync has failed, nothing is written, so that a root can be examined.
fn recover(
    root: &Root,
    index: &Index,
    (file, number, size): (File, u32, u64),
    cut: Option<u64>,
    segment_bytes: u32,
) -> Result<Option<Recovered>> {
    let read = fail("read a segment");
    let mut block = [0; BLOCK];
    let header = match sys::read_exact(&file, &mut block, 0) {
        Ok(()) => Header::decode(&block, number),
        Err(Errno::NODATA) => None,
        Err(errno) => return Err(read(errno)),
    };
    let Some(header) = header else {
        // A crash leaves this while a segment is created. The next one takes its place.
        if number > root.head() && is_unused(&file).map_err(read)? {
            return Ok(None);
        }
        return Err(corrupt(number, "has no valid header"));
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
    let lost = recovery.lost().to_vec();
    if !lost.is_empty() {
        raise(
            number,
            &lost,
            "has damaged frames, and it is not known which blobs they had",
        );
    }
    if !recovery.damaged().is_empty() {
        raise(number, recovery.damaged(), "has frames with damaged blobs");
    }
    if recovery.has_part() {
        tracing::warn!(
            segment = segment::name(number),
            offset = end.offset,
            "the last frame is not complete, so it was in flight at a crash, or it is damaged; the next one takes its place"
        );
    }
    let mut open = OpenSegment::new(file, end, u64::from(segment_bytes).max(size), size);
    index.open(Open {
        file: Arc::clone(&open.file),
        entries: HashMap::new(),
    });
    index.apply(&entries);
    if cut.is_some() {
        root.record_lost(number, &lost)
            .map_err(fail("record damaged frames"))?;
        let entries = last_of_each(entries);
        let sealed = seal(root, &open.file, end.offset.into(), entries)
            .map_err(fail("seal the segment of a failed sync"))?;
        index.seal(sealed);
        return Ok(Some(Recovered { open: None, lost }));
    }
    if !lost.is_empty() || !recovery.damaged().is_empty() {
        open.damage = Some(Damage {
            lost: lost.clone(),
            index_at: size.next_multiple_of(BLOCK as u64),
        });
    }
    let open = Some(open);
    Ok(Some(Recovered { open, lost }))
}
