//! Any single damage before the last line is found, and any cut of the end with the hash of the last line.

use artifact_audit::{AuditOptions, DamageKind, verify_files};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{Folder, fetch, grant, read, write};

/// One change of the files.
#[derive(Debug, Clone)]
enum Damage {
    /// Changes one byte.
    Byte(Index, u8),
    /// Removes a line.
    Remove(Index),
    /// Swaps two lines.
    Swap(Index, Index),
    /// Inserts a copy of a line.
    Repeat(Index, Index),
    /// Inserts a line that was made up.
    Insert(Index),
    /// Cuts bytes out.
    Cut(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), 1..=255_u8).prop_map(|(at, bits)| Damage::Byte(at, bits)),
        1 => index().prop_map(Damage::Remove),
        1 => (index(), index()).prop_map(|(one, other)| Damage::Swap(one, other)),
        1 => (index(), index()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        1 => index().prop_map(Damage::Insert),
        2 => (index(), index()).prop_map(|(one, other)| Damage::Cut(one, other)),
    ]
}

/// Makes a log of several files. Returns the folder and the hash of the last line.
fn make(lines: usize, max_bytes: u64) -> (Folder, artifact_audit::LineHash) {
    let folder = Folder::new();
    let log = folder.open(AuditOptions::default().with_max_file_bytes(max_bytes));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        for number in 0..lines {
            let event = if number % 3 == 0 {
                grant(number)
            } else {
                fetch(number)
            };
            log.record(&event).wait().await.unwrap();
        }
        log.close().await.unwrap();
    });
    let head = log.head().unwrap().hash;
    (folder, head)
}

/// Splits a file into lines with their line feeds.
fn lines_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// Applies a damage to one file, of which the last `kept` lines stay as they are. Returns `None` if nothing would change.
fn apply(bytes: &[u8], damage: &Damage, kept: usize) -> Option<Vec<u8>> {
    let mut lines = lines_of(bytes);
    let count = lines.len() - kept;
    if count == 0 {
        return None;
    }
    let length: usize = lines[..count].iter().map(Vec::len).sum();
    match damage {
        Damage::Byte(at, bits) => {
            let mut bytes = bytes.to_vec();
            bytes[at.index(length)] ^= bits;
            return Some(bytes);
        }
        Damage::Cut(one, other) => {
            let (one, other) = (one.index(length), other.index(length));
            let mut bytes = bytes.to_vec();
            bytes.drain(one.min(other)..=one.max(other));
            return Some(bytes);
        }
        Damage::Remove(at) => {
            lines.remove(at.index(count));
        }
        Damage::Swap(one, other) => {
            let (one, other) = (one.index(count), other.index(count));
            if one == other {
                return None;
            }
            lines.swap(one, other);
        }
        Damage::Repeat(from, to) => {
            let line = lines[from.index(count)].clone();
            lines.insert(to.index(count), line);
        }
        Damage::Insert(at) => {
            let zeros = "0".repeat(64);
            let line = format!(
                "{{\"v\":1,\"seq\":1,\"prev\":\"{zeros}\",\"time\":\"\",\"event\":\"action\"}}\n"
            );
            lines.insert(at.index(count), line.into_bytes());
        }
    }
    Some(lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_single_damage_is_found(
        lines in 1..14_usize,
        max_bytes in prop_oneof![Just(0), 600..3_000_u64],
        file in any::<Index>(),
        damage in damage(),
    ) {
        let (folder, head) = make(lines, max_bytes);
        let chain = folder.chain();
        let good = verify_files(&chain, &[head]).unwrap();
        prop_assert!(good.is_good(), "{:?}", good.damages);
        prop_assert_eq!(good.chains.len(), 1);
        prop_assert_eq!(good.chains[0].head, Some(head));

        let path = file.get(&chain);
        let is_last = Some(path) == chain.last();
        let former = read(path);
        let Some(damaged) = apply(&former, &damage, usize::from(is_last)) else {
            return Ok(());
        };
        write(path, &damaged);
        let report = verify_files(&chain, &[]).unwrap();
        prop_assert!(!report.is_good(), "{:?} of {:?}", damage, path);
        // The name of the damaged file is among them, or that of the next one.
        prop_assert!(report.damages.iter().all(|damage| damage.line > 0));
    }

    #[test]
    fn a_tail_that_was_cut_off_is_found_by_the_head_alone(lines in 1..10_usize, cut in any::<Index>()) {
        let (folder, head) = make(lines, 0);
        let path = folder.log();
        let mut kept = lines_of(&read(&path));
        kept.truncate(1 + cut.index(kept.len() - 1));
        write(&path, &kept.concat());
        prop_assert!(folder.verify().is_good());
        let report = verify_files(&[path], &[head]).unwrap();
        let kinds: Vec<_> = report.damages.iter().map(|damage| damage.kind).collect();
        prop_assert_eq!(kinds, [DamageKind::HeadNotFound(head)]);
    }
}

#[test]
fn the_kind_and_the_line_of_a_damage_are_named() {
    let (folder, _) = make(8, 0);
    let path = folder.log();
    let good = lines_of(&read(&path));
    let check = |lines: Vec<Vec<u8>>| {
        write(&path, &lines.concat());
        let report = folder.verify();
        let found = report
            .damages
            .iter()
            .map(|damage| (damage.line, damage.kind));
        found.collect::<Vec<_>>()
    };
    let mut changed = good.clone();
    changed[3] = String::from_utf8(changed[3].clone())
        .unwrap()
        .replace("done", "dune")
        .into();
    assert_eq!(check(changed), [(4, DamageKind::Changed)]);
    let mut removed = good.clone();
    removed.drain(3..5);
    assert_eq!(check(removed), [(4, DamageKind::Missing(2))]);
    let mut repeated = good.clone();
    repeated.insert(3, good[2].clone());
    assert_eq!(check(repeated), [(4, DamageKind::OutOfOrder)]);
    let mut unreadable = good.clone();
    unreadable[3] = b"nonsense\n".to_vec();
    assert_eq!(check(unreadable), [(4, DamageKind::Unreadable)]);
    let mut long = good.clone();
    long[3] = vec![b'x'; 1 << 20];
    long[3].push(b'\n');
    assert_eq!(check(long), [(4, DamageKind::Unreadable)]);
    let mut newer = good.clone();
    newer[3] = String::from_utf8(newer[3].clone())
        .unwrap()
        .replace("\"v\":1", "\"v\":2")
        .into();
    assert_eq!(check(newer), [(4, DamageKind::UnknownVersion)]);
    let mut torn = good.clone();
    torn[9].truncate(20);
    assert_eq!(check(torn), [(10, DamageKind::Torn)]);
    assert_eq!(check(good[1..].to_vec()), [(1, DamageKind::NotAStart)]);
    assert_eq!(check(Vec::new()), [(1, DamageKind::NotAStart)]);
    assert_eq!(check(good), []);
}
