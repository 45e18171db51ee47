//! Opens the segments of a root. Sealed ones are read at their end only; the open one is recovered frame by frame.

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::format::BLOCK;
use crate::format::entry::Entry;
use crate::format::fences::Fences;
use crate::format::filter::Filter;
use crate::format::frame::Position;
use crate::format::index::PER_BLOCK;
use crate::format::log::last_of_each;
use crate::format::recovery::Recovery;
use crate::format::segment::{Footer, Header};
use crate::linux::error::failed;
use crate::linux::index::{Index, Open};
use crate::linux::open_segment::{Damage, OpenSegment, first_frame, is_unused};
use crate::linux::root::{Root, head_name};
use crate::linux::seal::seal;
use crate::linux::segment::{self, Sealed, SegmentFile};
use crate::linux::spares::Spare;
use crate::linux::sys::{self, SysResult};

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
    spares: Vec<Spare>,
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
        } else if let Some(spare) = Spare::named(&name) {
            names.spares.push(spare);
        } else {
            tracing::warn!(name, "a foreign file in the folder of segments is ignored");
        }
    }
    names.segments.sort_unstable();
    Ok(names)
}

/// Opens all segments. What is found afterwards is durable.
pub(crate) fn open(root: &Root, segment_bytes: u32, cached_entries: usize) -> Result<Opened> {
    let names = read_names(root)?;
    let index = Index::new(cached_entries);
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
    add_spares(root, names.spares, &names.segments)?;
    for number in names.segments {
        let file = sys::open_file(root.segments(), &segment::name(number), OFlags::RDWR)
            .map_err(fail("open a segment"))?;
        let size = sys::size(&file).map_err(fail("inspect a segment"))?;
        if let Some((footer, filter, fences)) = read_footer(&file, number, size)? {
            index.add(Sealed {
                file: Arc::new(SegmentFile {
                    number,
                    epoch: footer.epoch,
                    file,
                }),
                footer,
                filter,
                fences,
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

/// Adds the spare files of an earlier process. One that is also a segment is left alone: a crash while it was renamed can leave both names.
fn add_spares(root: &Root, spares: Vec<Spare>, segments: &[u32]) -> Result<()> {
    if spares.is_empty() {
        return Ok(());
    }
    let identity = |name: &str| {
        let file = sys::open_file(root.segments(), name, OFlags::RDONLY)?;
        sys::identity(&file)
    };
    let used = segments
        .iter()
        .map(|number| identity(&segment::name(*number)));
    let used: HashSet<_> = used
        .collect::<Result<_, _>>()
        .map_err(fail("inspect a segment"))?;
    for spare in spares {
        let found = identity(&spare.name).map_err(fail("inspect a spare file"))?;
        if used.contains(&found) {
            tracing::warn!(
                name = spare.name,
                "a spare file is a segment too, after a crash, and is not used; check the file system (fsck)"
            );
        } else if root.spares.has_room() {
            root.spares.add(spare);
        }
    }
    Ok(())
}

/// Reads the footer, the filter and the fences of a segment. Returns `None` if it is not sealed.
fn read_footer(file: &File, number: u32, size: u64) -> Result<Option<(Footer, Filter, Fences)>> {
    let mut block = [0; BLOCK];
    let Some(at) = size.checked_sub(BLOCK as u64) else {
        return Ok(None);
    };
    sys::read_exact(file, &mut block, at).map_err(fail("read the footer of a segment"))?;
    let Some(footer) = Footer::decode(&block, number, size) else {
        return Ok(None);
    };
    let read = |at: u64, length: u64| {
        let length = usize::try_from(length).expect("a part of a segment is shorter than 4 GiB");
        let mut bytes = vec![0; length];
        sys::read_exact(file, &mut bytes, at).map_err(fail("read the filter of a segment"))?;
        Ok::<_, Error>(bytes)
    };
    let filter = Filter::from_bytes(read(footer.filter_at, footer.filter_bytes)?);
    let intact = filter.filter(|filter| filter.checksum() == footer.filter_checksum);
    let filter = intact.unwrap_or_else(|| {
        tracing::error!(
            alarm = "corrupt-segment",
            segment = segment::name(number),
            "the filter is damaged, so that reads are slower; restore the segment from a backup"
        );
        Filter::all()
    });
    let fences = read(footer.fences_at, footer.fences_bytes)?;
    Ok(Some((footer, filter, fences_of(&footer, &fences))))
}

/// Returns the fences of a segment. One of an older version has none.
fn fences_of(footer: &Footer, encoded: &[u8]) -> Fences {
    if encoded.is_empty() {
        return Fences::none();
    }
    let blocks = footer.entries.div_ceil(PER_BLOCK as u64);
    let intact = Fences::checksum(encoded) == footer.fences_checksum;
    let fences = Fences::decode(encoded, blocks).filter(|_| intact);
    fences.unwrap_or_else(|| {
        tracing::error!(
            alarm = "corrupt-segment",
            segment = segment::name(footer.segment),
            "the fences are damaged, so that reads are slower; restore the segment from a backup"
        );
        Fences::none()
    })
}

/// Reads the frames of a segment up to `end`. Returns what is known of them, and the entries of those that count.
pub(crate) fn recover_frames(
    file: &File,
    header: Header,
    end: u64,
) -> SysResult<(Recovery, Vec<Entry>)> {
    let mut recovery = Recovery::new(first_frame(header), end);
    let mut entries = Vec::new();
    let mut ahead = ReadAhead::new(file, end);
    while let Some((at, length)) = recovery.wants() {
        let bytes = ahead.read(at, length)?;
        entries.extend(recovery.feed(bytes).into_iter().flatten());
    }
    Ok((recovery, entries))
}

/// The last segment after its recovery.
struct Recovered {
    /// `None` if it was sealed.
    open: Option<OpenSegment>,
    lost: Vec<u32>,
}

/// Reads a file in large pieces. The search for frames asks for one block after the other.
struct ReadAhead<'f> {
    file: &'f File,
    end: u64,
    begin: u64,
    bytes: Vec<u8>,
}

impl<'f> ReadAhead<'f> {
    const PIECE: u64 = 1 << 20;

    fn new(file: &'f File, end: u64) -> Self {
        Self {
            file,
            end,
            begin: 0,
            bytes: Vec::new(),
        }
    }

    /// Returns `length` bytes at `at`, which are before the end.
    fn read(&mut self, at: u64, length: usize) -> SysResult<&[u8]> {
        let held = self.begin..=self.begin + self.bytes.len() as u64;
        if !held.contains(&at) || !held.contains(&(at + length as u64)) {
            let piece = (length as u64).max(Self::PIECE).min(self.end - at);
            let piece = usize::try_from(piece).expect("a piece is small");
            self.bytes.resize(piece.max(length), 0);
            sys::read_exact(self.file, &mut self.bytes, at)?;
            self.begin = at;
        }
        let from = usize::try_from(at - self.begin).expect("a piece is small");
        Ok(&self.bytes[from..from + length])
    }
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
        Err(sys::TOO_SHORT) => None,
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
    let (recovery, entries) = recover_frames(&file, header, good).map_err(&read)?;
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
        entries: foldhash::HashMap::default(),
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
