//! Every crash of a log of few frames: each set of written blocks, torn sectors, damaged blocks, failed syncs. The log and the
//! recovery are those that the backend uses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use artifact_backend::ArtifactId;

use super::entry::{self, Content, Entry};
use super::frame::{self, Body, Frame, Position, Record};
use super::log::{self, Log};
use super::mutant::{Mutant, PLANTED};
use super::recovery::Recovery;
use super::segment::Header;
use super::{BLOCK, ENTRY_END};

const SEGMENT: u32 = 5;
const EPOCH: u64 = 0x1234_5678_9abc_def0;
const BLOCKS: usize = 14;
const SECTOR: usize = 512;

pub(super) type Records = Vec<Record<Vec<u8>>>;

fn header() -> Header {
    Header {
        segment: SEGMENT,
        epoch: EPOCH,
    }
}

pub(super) fn first() -> Position {
    Position {
        segment: SEGMENT,
        epoch: EPOCH,
        offset: 4096,
        previous: header().checksum(),
    }
}

/// Reads the frames of a disk as the backend does at its start. A crash must not look like damage.
fn recover(disk: &[u8], good: u64) -> (Vec<Entry>, Position) {
    let (entries, recovery) = recover_damaged(disk, good);
    assert_eq!((recovery.lost(), recovery.damaged()), (&[][..], &[][..]));
    (entries, recovery.end())
}

/// Reads the frames of a disk that may be damaged.
pub(super) fn recover_damaged(disk: &[u8], good: u64) -> (Vec<Entry>, Recovery) {
    let mut recovery = Recovery::new(first(), good);
    let mut entries = Vec::new();
    while let Some((offset, length)) = recovery.wants() {
        let offset = usize::try_from(offset).unwrap();
        let Some(bytes) = disk.get(offset..offset + length) else {
            break;
        };
        entries.extend(recovery.feed(bytes).unwrap_or_default());
    }
    (entries, recovery)
}

fn blob(number: u8, length: usize) -> Record<Vec<u8>> {
    record(number, Body::Blob(vec![number; length]))
}

fn record(number: u8, body: Body<Vec<u8>>) -> Record<Vec<u8>> {
    Record {
        id: ArtifactId::from_bytes([number; 16]),
        modified: u64::from(number),
        replaces: 0,
        body,
        note: None,
    }
}

/// Returns a record with a note of this length.
fn noted(record: Record<Vec<u8>>, length: usize) -> Record<Vec<u8>> {
    let note = Some(vec![0x80 | record.id.as_bytes()[0]; length]);
    Record { note, ..record }
}

/// Groups of one, two and three blocks.
pub(super) fn groups(depth: u8) -> Vec<Records> {
    let id = depth * 10;
    vec![
        vec![noted(blob(id + 1, 100), 60)],
        vec![
            blob(id + 2, 3_000),
            record(id + 3, Body::Tombstone { freed: 100 }),
            noted(blob(id + 4, 1_900), 90),
        ],
        vec![
            noted(
                record(
                    id + 5,
                    Body::Large {
                        size: 1 << 40,
                        crc: 9,
                    },
                ),
                200,
            ),
            blob(id + 6, 8_700),
        ],
    ]
}

/// A disk after a crash: where the next frame goes, and what must be found, no more and no less.
#[derive(Clone)]
pub(super) struct State {
    pub(super) disk: Vec<u8>,
    pub(super) end: Position,
    pub(super) found: Vec<Entry>,
}

impl State {
    pub(super) fn new() -> Self {
        let mut disk = vec![0; BLOCKS * BLOCK];
        disk[..BLOCK].copy_from_slice(&header().encode());
        Self {
            disk,
            end: first(),
            found: Vec::new(),
        }
    }

    /// Writes the mark behind the last frame.
    pub(super) fn mark(&mut self) {
        let at = self.end.offset as usize;
        self.disk[at..at + BLOCK].copy_from_slice(&frame::mark(self.end));
    }

    /// Returns the disk after the blocks of a frame that `written` selects were written.
    pub(super) fn with_blocks(&self, frame: &Frame, written: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut disk = self.disk.clone();
        let at = self.end.offset as usize;
        // The kernel writes whole pages, so a frame that begins within one writes what is before it again.
        let mut bytes = disk[at / BLOCK * BLOCK..at].to_vec();
        bytes.extend_from_slice(&frame.bytes);
        for (number, block) in bytes.chunks(BLOCK).enumerate() {
            if written(number) {
                let to = (at / BLOCK + number) * BLOCK;
                disk[to..to + block.len()].copy_from_slice(block);
            }
        }
        disk
    }

    /// Recovers a disk and compares: everything acknowledged, and the frame in flight only if it is whole.
    fn recovered(&self, disk: Vec<u8>, frame: &Frame) -> Self {
        let at = self.end.offset as usize;
        // The zeros that fill the last block do not count.
        let used = used(frame, at);
        let whole = disk[at..at + used] == frame.bytes[..used];
        let mut expected = self.found.clone();
        if whole {
            expected.extend(&frame.entries);
        }
        let (found, end) = recover(&disk, disk.len() as u64);
        assert_eq!(found, expected, "the frame at {at} is whole: {whole}");
        Self { disk, end, found }
    }
}

/// Returns the length of a frame at `at` without the zeros at its end.
pub(super) fn used(frame: &Frame, at: usize) -> usize {
    let table = frame::HEADER_BYTES + frame.entries.len() * entry::ENTRY_BYTES;
    let ends = frame.entries.iter().map(|entry| match entry.content {
        _ if entry.note.is_some() => {
            let note = entry.note.unwrap();
            note.offset as usize + note.total() - at
        }
        Content::Blob { offset, length, .. } => (offset + length) as usize - at,
        Content::Large { .. } | Content::Tombstone { .. } => table,
    });
    ends.fold(table, usize::max)
}

/// Explores every crash in and after the next `depth` frames. Returns the number of disks that were recovered.
fn explore(state: &State, depth: u8) -> u32 {
    let Some(below) = depth.checked_sub(1) else {
        return 0;
    };
    let mut seen = 0;
    for records in groups(depth) {
        let mut log = Log::new(state.end, (BLOCKS * BLOCK) as u64);
        let frame = log.begin(&records).unwrap();
        assert!(
            log.begin(&[blob(1, 1)]).is_some(),
            "nothing is acknowledged yet"
        );
        let frame_again = log.begin(&records).unwrap();
        assert_eq!(
            frame.bytes, frame_again.bytes,
            "the end moves only by a sync"
        );
        let blocks = frame.bytes.len().div_ceil(BLOCK);
        for written in 0..1_u32 << blocks {
            let disk = state.with_blocks(&frame, |block| written & (1 << block) != 0);
            seen += 1;
            let crashed = state.recovered(disk, &frame);
            if depth > 1 && written % 3 == 0 {
                seen += explore(&crashed, below);
            }
        }
        seen += torn_blocks(state, &frame, blocks);
        seen += failed_syncs(state, &records, blocks);
        log.begin(&records).unwrap();
        log.synced();
        let mut acknowledged = State {
            disk: state.with_blocks(&frame, |_| true),
            end: log.end(),
            found: [&state.found[..], &frame.entries].concat(),
        };
        if depth == 2 {
            acknowledged.mark();
        }
        assert_eq!(
            recover(&acknowledged.disk, u64::MAX >> 1).0,
            acknowledged.found
        );
        seen += explore(&acknowledged, below);
    }
    seen
}

/// One block was written up to some sector, from some sector on, or became unreadable; the others as a whole.
fn torn_blocks(state: &State, frame: &Frame, blocks: usize) -> u32 {
    let mut seen = 0;
    for torn in 0..blocks {
        let whole = state.with_blocks(frame, |_| true);
        let begin = (state.end.offset as usize / BLOCK + torn) * BLOCK;
        for sector in 0..BLOCK / SECTOR {
            let cut = begin + sector * SECTOR;
            let mut head = whole.clone();
            head[cut..begin + BLOCK].copy_from_slice(&state.disk[cut..begin + BLOCK]);
            let mut tail = whole.clone();
            tail[begin..cut].copy_from_slice(&state.disk[begin..cut]);
            let mut damaged = whole.clone();
            damaged[begin..begin + BLOCK].fill(0xee);
            for disk in [head, tail, damaged] {
                state.recovered(disk, frame);
                seen += 1;
            }
        }
    }
    seen
}

/// The sync of the frame fails: whatever is on the disk, what was acknowledged before is all that is ever found.
fn failed_syncs(state: &State, records: &Records, blocks: usize) -> u32 {
    let mut seen = 0;
    for written in 0..1_u32 << blocks {
        let mut log = Log::new(state.end, (BLOCKS * BLOCK) as u64);
        let frame = log.begin(records).unwrap();
        log.sync_failed();
        assert!(log.is_in_doubt());
        assert!(log.begin(records).is_none(), "a failed sync ends the log");
        let disk = state.with_blocks(&frame, |block| written & (1 << block) != 0);
        let (found, end) = recover(&disk, u64::from(log.end().offset));
        assert_eq!(found, state.found);
        assert_eq!(end, state.end);
        seen += 1;
    }
    seen
}

/// A client stores bytes that look like the frame which could come next, their frame is torn, and a shorter frame takes its
/// place.
fn forged_frames_are_not_found() {
    let state = State::new();
    let forged_at = Position {
        offset: first().offset + 4096,
        // It is random, so that no client knows it.
        epoch: EPOCH + 1,
        previous: 77,
        ..first()
    };
    let forged = frame::encode(forged_at, &[blob(99, 10)]).bytes;
    let mut payload = vec![0; BLOCK - ENTRY_END];
    payload.extend_from_slice(&forged);
    let mut log = Log::new(state.end, u64::MAX);
    let torn = log.begin(&[record(1, Body::Blob(payload))]).unwrap();
    let disk = state.with_blocks(&torn, |block| block > 0);
    let state = state.recovered(disk, &torn);
    let next = Log::new(state.end, u64::MAX).begin(&[blob(2, 10)]).unwrap();
    assert_eq!(next.bytes.len(), BLOCK);
    let disk = state.with_blocks(&next, |_| true);
    state.recovered(disk, &next);
}

/// The file had another use before: every place has a valid frame of another epoch.
fn frames_of_an_earlier_epoch_are_not_found() {
    let mut start = State::new();
    for block in 1..BLOCKS {
        let at = Position {
            epoch: EPOCH + 1,
            offset: u32::try_from(block * BLOCK).unwrap(),
            ..first()
        };
        let stale = frame::encode(at, &[blob(50, 10)]).bytes;
        start.disk[block * BLOCK..][..BLOCK].copy_from_slice(&stale);
    }
    explore(&start, 1);
}

/// A file after two lives as segments with the same number, and the first blocks of its third life. In each life the frames have other
/// lengths, so that frames, parts of frames and marks of both are behind the end.
fn recycled(shape: usize) -> State {
    let mut state = State::new();
    for (life, from) in [(1, 0), (2, shape)] {
        let header = Header {
            epoch: EPOCH + life,
            ..header()
        };
        let mut end = Position {
            epoch: header.epoch,
            previous: header.checksum(),
            ..first()
        };
        // The second life ends earlier.
        let capacity = (BLOCKS - 2 * from) * BLOCK;
        for records in groups(6).into_iter().cycle().skip(from) {
            let mut log = Log::new(end, u64::MAX);
            let frame = log.begin(&records).unwrap();
            log.synced();
            let (at, next) = (end.offset as usize, log.end().offset as usize);
            if next + BLOCK > capacity {
                break;
            }
            state.disk[at..next].copy_from_slice(&frame.bytes);
            end = log.end();
            state.disk[next..next + BLOCK].copy_from_slice(&frame::mark(end));
        }
    }
    state.disk[..BLOCK].copy_from_slice(&header().encode());
    state.mark();
    state
}

fn recycled_files_recover_like_new_ones() -> u32 {
    let seen = (0..3).map(|shape| {
        let state = recycled(shape);
        let old = state.disk[2 * BLOCK..].chunks(BLOCK);
        assert!(old.filter(|block| block.starts_with(b"ARTFRAME")).count() > 2);
        assert_eq!(recover(&state.disk, u64::MAX >> 1), (vec![], first()));
        explore(&state, 2)
    });
    seen.sum()
}

fn the_last_record_of_an_id_decides() {
    let stored = frame::encode(first(), &[blob(1, 10), blob(2, 10)]).entries;
    let at = Position {
        offset: 8192,
        ..first()
    };
    let deleted = frame::encode(at, &[record(1, Body::Tombstone { freed: 10 })]).entries;
    let last = log::last_of_each([stored, deleted].concat());
    let kinds: Vec<_> = last
        .iter()
        .map(|entry| matches!(entry.content, Content::Blob { .. }))
        .collect();
    assert_eq!(kinds, [false, true]);
}

fn explore_everything() -> u32 {
    forged_frames_are_not_found();
    frames_of_an_earlier_epoch_are_not_found();
    assert!(recycled_files_recover_like_new_ones() > 1_000);
    the_last_record_of_an_id_decides();
    a_change_of_any_byte_that_counts_is_noticed();
    a_frame_is_valid_only_where_it_was_written();
    assert!(super::damage_tests::damage_everything() > 1_000);
    explore(&State::new(), 3)
}

#[test]
fn every_crash_leaves_what_was_acknowledged_and_nothing_else() {
    let seen = explore_everything();
    assert!(seen > 10_000, "{seen}");
}

#[test]
fn each_planted_mutant_is_caught() {
    let mutants = [
        Mutant::EndMovesAtWrite,
        Mutant::GoesOnAfterFailedSync,
        Mutant::PreviousIsNotChecked,
        Mutant::EpochIsNotChecked,
        Mutant::BlobsAreNotChecked,
        Mutant::NotesAreNotChecked,
        Mutant::EntriesAreNotChecked,
        Mutant::NothingBehindIsLookedFor,
        Mutant::FramesShareBlocks,
        Mutant::EndIsIgnored,
        Mutant::FirstRecordDecides,
    ];
    for mutant in mutants {
        PLANTED.set(Some(mutant));
        let caught = catch_unwind(AssertUnwindSafe(explore_everything)).is_err();
        PLANTED.set(None);
        assert!(caught, "{mutant:?} is not caught");
    }
}

fn a_frame_is_valid_only_where_it_was_written() {
    let at = first();
    let bytes = frame::encode(at, &[blob(1, 5_000), blob(2, 0)]).bytes;
    assert_eq!(frame::check(&bytes, at).unwrap().entries.len(), 2);
    let elsewhere = [
        Position { segment: 6, ..at },
        Position { epoch: 1, ..at },
        Position { offset: 8192, ..at },
        Position { previous: 1, ..at },
    ];
    for other in elsewhere {
        assert_eq!(frame::check(&bytes, other), None, "{other:?}");
    }
}

fn a_change_of_any_byte_that_counts_is_noticed() {
    let at = first();
    let bytes = frame::encode(at, &[noted(blob(1, 700), 80), blob(2, 0)]).bytes;
    let used = ENTRY_END + 48 + 700 + 80 + 8;
    for position in 0..used {
        let mut changed = bytes.clone();
        changed[position] ^= 0x10;
        assert_eq!(frame::check(&changed, at), None, "byte {position}");
    }
}
