//! Damage of every block of frames that were synced: it is never taken for a crash, and no other frame is lost.

use super::BLOCK;
use super::crash_tests::{State, groups, recover_damaged, used};
use super::entry::Entry;
use super::frame::Frame;
use super::log::Log;

type Change<'c> = &'c dyn Fn(&mut [u8]);

/// What was written behind the last synced frame.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Tail {
    Nothing,
    Mark,
    /// The first block of a frame that was in flight at a crash.
    TornFrame,
}

/// Three synced frames and a tail.
struct Written {
    state: State,
    /// The offset of each frame.
    frames: Vec<(usize, Frame)>,
}

fn write(shape: [usize; 3], tail: Tail) -> Written {
    let mut state = State::new();
    let mut frames = Vec::new();
    let mut log = Log::new(state.end, u64::MAX);
    for (number, group) in (1..).zip(shape) {
        let frame = log.begin(&groups(number)[group]).unwrap();
        let at = state.end.offset as usize;
        log.synced();
        state = State {
            disk: state.with_blocks(&frame, |_| true),
            end: log.end(),
            found: [&state.found[..], &frame.entries].concat(),
        };
        frames.push((at, frame));
    }
    match tail {
        Tail::Nothing => {}
        Tail::Mark => state.mark(),
        Tail::TornFrame => {
            let torn = log.begin(&groups(9)[2]).unwrap();
            state.disk = state.with_blocks(&torn, |block| block == 0);
        }
    }
    Written { state, frames }
}

/// Damages one block or one byte of each frame. Returns the number of disks that were recovered.
pub(super) fn damage_everything() -> u32 {
    let mut seen = 0;
    for shape in 0..27 {
        let shape = [shape / 9, shape / 3 % 3, shape % 3];
        for tail in [Tail::Nothing, Tail::Mark, Tail::TornFrame] {
            let written = write(shape, tail);
            for number in 0..3 {
                seen += damage_frame(&written, number, tail);
            }
            seen += lose_two(&written);
        }
    }
    seen
}

fn damage_frame(written: &Written, number: usize, tail: Tail) -> u32 {
    let (at, frame) = &written.frames[number];
    let end = at + used(frame, *at);
    let mut seen = 0;
    for begin in (*at..end).step_by(BLOCK) {
        let last = end.min(begin + BLOCK) - 1;
        let whole = begin..begin + BLOCK;
        let changes: [Change<'_>; 5] = [
            &|disk| disk[begin] ^= 1,
            &|disk| disk[last] ^= 0x80,
            &|disk| disk[begin.midpoint(last)] ^= 4,
            &|disk| disk[whole.clone()].fill(0),
            &|disk| disk[whole.clone()].fill(0xee),
        ];
        for change in changes {
            let mut disk = written.state.disk.clone();
            change(&mut disk);
            check(written, number, tail, &disk);
            seen += 1;
        }
    }
    seen
}

fn check(written: &Written, number: usize, tail: Tail, disk: &[u8]) {
    let (at, frame) = &written.frames[number];
    let (found, recovery) = recover_damaged(disk, disk.len() as u64);
    if number == 2 && tail == Tail::Nothing {
        // It cannot be distinguished from a torn frame.
        assert_eq!(recovery.end().offset as usize, *at);
        assert_eq!(found, without(written, &[number]));
        assert!(recovery.lost().is_empty() && recovery.damaged().is_empty());
        return;
    }
    let offset = frame_offset(*at);
    assert_eq!(recovery.end(), written.state.end);
    if super::frame::check_entries(&disk[*at..], position(written, number)).is_some() {
        assert_eq!(
            (recovery.lost(), recovery.damaged()),
            (&[][..], &[offset][..])
        );
        assert_eq!(found, written.state.found);
    } else {
        assert_eq!(
            (recovery.lost(), recovery.damaged()),
            (&[offset][..], &[][..])
        );
        assert_eq!(found, without(written, &[number]), "{frame:?}");
    }
}

/// The first two frames lose their first block.
fn lose_two(written: &Written) -> u32 {
    let mut disk = written.state.disk.clone();
    for (at, _) in &written.frames[..2] {
        disk[*at..at + BLOCK].fill(0);
    }
    let (found, recovery) = recover_damaged(&disk, disk.len() as u64);
    assert_eq!(found, without(written, &[0, 1]));
    assert_eq!(recovery.lost(), [frame_offset(written.frames[0].0)]);
    assert_eq!(recovery.end(), written.state.end);
    // The first one keeps its entries, if only a blob of it is damaged.
    let mut disk = written.state.disk.clone();
    let (at, frame) = &written.frames[0];
    disk[at + used(frame, *at) - 1] ^= 1;
    let (second, _) = &written.frames[1];
    disk[*second] ^= 1;
    let (found, recovery) = recover_damaged(&disk, disk.len() as u64);
    assert_eq!(found, without(written, &[1]));
    assert_eq!(recovery.damaged(), [frame_offset(*at)]);
    assert_eq!(recovery.lost(), [frame_offset(*second)]);
    2
}

fn without(written: &Written, lost: &[usize]) -> Vec<Entry> {
    let frames = written.frames.iter().enumerate();
    let kept = frames.filter(|(number, _)| !lost.contains(number));
    kept.flat_map(|(_, (_, frame))| frame.entries.clone())
        .collect()
}

fn frame_offset(at: usize) -> u32 {
    u32::try_from(at).unwrap()
}

fn position(written: &Written, number: usize) -> super::frame::Position {
    let previous = match number.checked_sub(1) {
        None => super::crash_tests::first().previous,
        Some(before) => written.frames[before].1.checksum,
    };
    super::frame::Position {
        offset: frame_offset(written.frames[number].0),
        previous,
        ..written.state.end
    }
}

#[test]
fn damage_of_a_synced_frame_is_never_taken_for_a_crash() {
    let seen = damage_everything();
    assert!(seen > 1_000, "{seen}");
}
