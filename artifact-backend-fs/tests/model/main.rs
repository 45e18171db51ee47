//! Loom models of all interleavings of two publishers, one of which gets a failed sync.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;

use artifact_backend::ArtifactId;
use loom::sync::{Arc, Mutex};
use loom::thread;

use self::failed_syncs::{Blocks, DiskCall, DiskError, FailedSyncs, Overlap};

/// The module of the crate itself, compiled with the types of loom.
#[path = "../../src/failed_syncs/mod.rs"]
#[expect(dead_code, reason = "the models use a part of it")]
mod failed_syncs;

/// What the module uses in place of `std`.
mod sync {
    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::{
        sync::{
            Arc, Mutex, MutexGuard,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        thread,
    };
}

/// A sync failed with this error.
#[derive(Debug)]
struct SyncFailed;

impl DiskError for SyncFailed {
    fn loses_writes(&self, call: DiskCall) -> bool {
        call.is_sync()
    }
}

/// A folder as Linux keeps it. A failed write-back discards the data, and each descriptor that was
/// open at the time gets the error once (`errseq_t`).
#[derive(Debug, Default)]
struct Folder {
    visible: BTreeSet<ArtifactId>,
    dirty: BTreeSet<ArtifactId>,
    durable: BTreeSet<ArtifactId>,
    errors: u32,
    reported: bool,
    fails: bool,
}

impl Folder {
    /// Returns the error count that a new descriptor has seen. An error that was not reported yet is
    /// reported to new descriptors too.
    fn open(&self) -> u32 {
        if self.reported { self.errors } else { 0 }
    }

    fn link(&mut self, id: ArtifactId) -> bool {
        let new = self.visible.insert(id);
        if new {
            self.dirty.insert(id);
        }
        new
    }

    fn sync(&mut self, seen: &mut u32) -> Result<(), SyncFailed> {
        let dirty = std::mem::take(&mut self.dirty);
        if std::mem::take(&mut self.fails) && !dirty.is_empty() {
            self.errors += 1;
            self.reported = false;
        } else {
            self.durable.extend(dirty);
        }
        if *seen == self.errors {
            return Ok(());
        }
        *seen = self.errors;
        self.reported = true;
        Err(SyncFailed)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Stored,
    Exists,
    Failed,
}

/// Does the steps of `publish` and `already_exists` that touch shared state, in the same order.
fn publish(failed_syncs: &FailedSyncs, folder: &Mutex<Folder>, id: ArtifactId) -> Outcome {
    if failed_syncs.has_failed() {
        return Outcome::Failed;
    }
    let mut seen = folder.lock().unwrap().open();
    let new = folder.lock().unwrap().link(id);
    let synced = failed_syncs.track(DiskCall::Sync, Blocks::Any, || {
        folder.lock().unwrap().sync(&mut seen)
    });
    if synced.is_err() {
        return Outcome::Failed;
    }
    if !new {
        failed_syncs.wait_for_results(&Overlap::All);
    }
    if failed_syncs.has_failed() {
        Outcome::Failed
    } else if new {
        Outcome::Stored
    } else {
        Outcome::Exists
    }
}

fn explore(ids: [u8; 2]) {
    loom::model(move || {
        let failed_syncs = Arc::new(FailedSyncs::default());
        let folder = Arc::new(Mutex::new(Folder {
            fails: true,
            ..Folder::default()
        }));
        let threads = ids.map(|number| {
            let (failed_syncs, folder) = (Arc::clone(&failed_syncs), Arc::clone(&folder));
            let id = ArtifactId::from_bytes([number; 16]);
            thread::spawn(move || (id, publish(&failed_syncs, &folder, id)))
        });
        let outcomes = threads.map(|thread| thread.join().unwrap());
        let folder = folder.lock().unwrap();
        for (id, outcome) in &outcomes {
            if *outcome != Outcome::Failed {
                assert!(
                    folder.durable.contains(id),
                    "{outcome:?}, but the blob is not durable: {outcomes:?}"
                );
            }
        }
        let stored = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Stored);
        assert!(ids[0] != ids[1] || stored.count() <= 1);
    });
}

#[test]
fn stores_are_not_acknowledged_if_the_sync_of_their_name_failed() {
    explore([1, 2]);
}

#[test]
fn already_exists_is_not_reported_if_the_sync_of_the_name_failed() {
    explore([1, 1]);
}

/// A block of the inode table without a journal. Its buffer is clean after a failed write, and only the
/// sync that wrote it gets the error.
#[derive(Debug, Default)]
struct InodeBlock {
    dirty: BTreeSet<ArtifactId>,
    durable: BTreeSet<ArtifactId>,
    fails: bool,
}

impl InodeBlock {
    fn sync(&mut self) -> Result<(), SyncFailed> {
        let dirty = std::mem::take(&mut self.dirty);
        if !dirty.is_empty() && std::mem::take(&mut self.fails) {
            return Err(SyncFailed);
        }
        self.durable.extend(dirty);
        Ok(())
    }
}

/// Syncs of two files in a block of the inode table, and then of their folders in another block. A failure
/// of either block is reported to one of the two syncs only.
fn stores_in_shared_blocks(fails: [bool; 2]) {
    let mut model = loom::model::Builder::new();
    // All interleavings would take hours.
    model.preemption_bound = Some(2);
    model.check(move || {
        let failed_syncs = Arc::new(FailedSyncs::default());
        let blocks = Arc::new(fails.map(|fails| {
            Mutex::new(InodeBlock {
                fails,
                ..InodeBlock::default()
            })
        }));
        let threads = [1, 2].map(|number| {
            let (failed_syncs, blocks) = (Arc::clone(&failed_syncs), Arc::clone(&blocks));
            thread::spawn(move || {
                let id = ArtifactId::from_bytes([number; 16]);
                for block in &*blocks {
                    block.lock().unwrap().dirty.insert(id);
                }
                let places = [(1, None), (2, Some(7))].map(|(inode, names)| Blocks::Of {
                    inodes: [inode; 2],
                    names,
                });
                let sync = |at: usize| {
                    let sync = || blocks[at].lock().unwrap().sync();
                    failed_syncs.track(DiskCall::Sync, places[at], sync)
                };
                let file = sync(0);
                let file_synced = failed_syncs.next_ticket();
                let folder = sync(1);
                failed_syncs.wait_for_results(&Overlap::Store {
                    file_synced,
                    file: 1,
                    folder: 7,
                    grown: None,
                });
                (
                    id,
                    file.is_ok() && folder.is_ok() && !failed_syncs.has_failed(),
                )
            })
        });
        let outcomes = threads.map(|thread| thread.join().unwrap());
        for (id, acknowledged) in outcomes {
            for block in &*blocks {
                let durable = block.lock().unwrap().durable.contains(&id);
                assert!(!acknowledged || durable, "{id} is lost");
            }
        }
    });
}

#[test]
fn stores_whose_inodes_share_a_block_are_not_acknowledged_if_its_write_failed() {
    stores_in_shared_blocks([true, false]);
    stores_in_shared_blocks([false, true]);
}
