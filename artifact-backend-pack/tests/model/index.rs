//! Models of the index: what a reader finds, and caches, while the committer deletes a blob and seals segments.

use std::sync::Arc as StdArc;

use artifact_backend::{ArtifactId, Operation};
use loom::sync::Arc;
use loom::thread;

use crate::format::entry::{Content, Entry};
use crate::linux::index::{Index, Open};
use crate::linux::segment::{Sealed, SegmentFile, Wait};

const ID: ArtifactId = ArtifactId::from_bytes([7; 16]);

fn entry(replaces: u32, content: Content) -> Entry {
    Entry {
        id: ID,
        modified: 0,
        replaces,
        content,
        note: None,
    }
}

fn stored() -> Entry {
    entry(
        0,
        Content::Blob {
            offset: 4096,
            length: 9,
            crc: 1,
        },
    )
}

fn deleted() -> Entry {
    entry(1, Content::Tombstone { freed: 9 })
}

fn open_segment() -> Open {
    Open {
        file: StdArc::new(SegmentFile),
        entries: foldhash::HashMap::default(),
    }
}

/// Returns whether the blob is found.
fn finds(index: &Index) -> bool {
    let found = index.find(Operation::Load, ID, Wait::Disk);
    let found = found.expect("no read fails").expect("all is cached");
    found.expect("the blob or its tombstone").is_blob()
}

/// The committer does what it does between two groups; a reader looks twice meanwhile, and all look again later.
fn explore(commit: impl Fn(&Index) + Send + Sync + Copy + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let index = Arc::new(Index::new(1));
        index.add(Sealed::new(1, vec![stored()]));
        index.open(open_segment());
        let reader = {
            let index = Arc::clone(&index);
            thread::spawn(move || [finds(&index), finds(&index)])
        };
        commit(&index);
        assert!(!finds(&index), "the delete was acknowledged");
        let [first, second] = reader.join().expect("a reader does not panic");
        assert!(first || !second, "a deleted blob does not come back");
        assert!(!finds(&index), "the reader cached what was replaced");
    });
}

#[test]
fn a_deleted_blob_does_not_come_back_from_the_cache() {
    explore(|index| index.apply(&[deleted()]));
}

#[test]
fn a_deleted_blob_does_not_come_back_when_its_tombstone_is_sealed() {
    explore(|index| {
        index.apply(&[deleted()]);
        index.seal(Sealed::new(2, vec![deleted()]));
        index.open(open_segment());
    });
}

#[test]
fn a_moved_blob_is_not_found_in_the_segment_that_is_removed() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let index = Arc::new(Index::new(1));
        index.add(Sealed::new(1, vec![stored()]));
        index.open(open_segment());
        let reader = {
            let index = Arc::clone(&index);
            thread::spawn(move || assert!(finds(&index)))
        };
        let moved = Entry {
            replaces: 1,
            ..stored()
        };
        index.apply(&[moved]);
        index.remove(1);
        assert!(finds(&index));
        reader.join().expect("a reader finds the blob at any time");
        let found = index.find(Operation::Load, ID, Wait::Disk);
        let found = found.expect("no read fails").expect("all is cached");
        let found = found.expect("the blob was moved");
        assert_eq!(found.entry.replaces, 1, "it is the new record");
    });
}
