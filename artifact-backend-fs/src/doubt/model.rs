//! Every interleaving of publishers, one of which is told of a failed sync.

use std::collections::BTreeSet;

use artifact_backend::{ArtifactId, Operation};
use loom::sync::{Arc, Mutex};
use loom::thread;
use rustix::io::Errno;

use super::Doubt;
use crate::sys::SysResult;

/// A folder as Linux keeps it: a write-back that fails forgets what it was to write, and each
/// descriptor that was open then is told so once (`errseq_t`).
#[derive(Debug, Default)]
struct Folder {
    visible: BTreeSet<ArtifactId>,
    dirty: BTreeSet<ArtifactId>,
    durable: BTreeSet<ArtifactId>,
    errors: u32,
    told: bool,
    fails: bool,
}

impl Folder {
    /// What a descriptor that is opened now has been told already: an error that nobody was told yet
    /// is told to newcomers too.
    fn open(&self) -> u32 {
        if self.told { self.errors } else { 0 }
    }

    fn link(&mut self, id: ArtifactId) -> bool {
        let new = self.visible.insert(id);
        if new {
            self.dirty.insert(id);
        }
        new
    }

    fn sync(&mut self, seen: &mut u32) -> SysResult<()> {
        let dirty = std::mem::take(&mut self.dirty);
        if std::mem::take(&mut self.fails) && !dirty.is_empty() {
            self.errors += 1;
            self.told = false;
        } else {
            self.durable.extend(dirty);
        }
        if *seen == self.errors {
            return Ok(());
        }
        *seen = self.errors;
        self.told = true;
        Err(Errno::IO)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Stored,
    Exists,
    Failed,
}

/// The steps of `publish` and `taken` that touch what is shared, in their order.
fn publish(doubt: &Doubt, folder: &Mutex<Folder>, id: ArtifactId) -> Answer {
    if doubt.check(Operation::Store, id).is_err() {
        return Answer::Failed;
    }
    let mut seen = folder.lock().unwrap().open();
    let mut unsettled = Some(doubt.unsettled());
    let new = folder.lock().unwrap().link(id);
    if !new {
        drop(unsettled.take());
        doubt.wait_until_settled();
        if doubt.check(Operation::Store, id).is_err() || doubt.has(id) {
            return Answer::Failed;
        }
    }
    let synced = folder.lock().unwrap().sync(&mut seen);
    let synced = doubt.told(synced);
    if synced.is_err() || (new && doubt.check(Operation::Store, id).is_err()) {
        doubt.add(id);
        return Answer::Failed;
    }
    if new { Answer::Stored } else { Answer::Exists }
}

fn explore(ids: [u8; 2]) {
    loom::model(move || {
        let doubt = Arc::new(Doubt::default());
        let folder = Arc::new(Mutex::new(Folder {
            fails: true,
            ..Folder::default()
        }));
        let threads = ids.map(|number| {
            let (doubt, folder) = (Arc::clone(&doubt), Arc::clone(&folder));
            let id = ArtifactId::from_bytes([number; 16]);
            thread::spawn(move || (id, publish(&doubt, &folder, id)))
        });
        let answers = threads.map(|thread| thread.join().unwrap());
        let folder = folder.lock().unwrap();
        for (id, answer) in &answers {
            if *answer != Answer::Failed {
                assert!(
                    folder.durable.contains(id),
                    "{answer:?} and lost: {answers:?}"
                );
            }
        }
        let stored = answers
            .iter()
            .filter(|(_, answer)| *answer == Answer::Stored);
        assert!(ids[0] != ids[1] || stored.count() <= 1);
    });
}

#[test]
fn no_name_is_acknowledged_that_a_failed_sync_forgot() {
    explore([1, 2]);
}

#[test]
fn no_refusal_speaks_of_a_name_that_a_failed_sync_forgot() {
    explore([1, 1]);
}
