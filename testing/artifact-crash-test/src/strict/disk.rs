//! Tracks which data is durable and which waits for a sync, at one position of a recording.

use std::collections::{BTreeMap, HashMap};

use super::event::{Edit, Event};
use super::image::{Image, Inode, InodeKind, ROOT};
use super::survival::{Selector, Survival};
use crate::random::Random;

/// A disk during the playback of a recording: durable inodes, and edits that are not yet synced.
#[derive(Debug, Clone)]
pub struct Disk {
    durable: HashMap<u64, Inode>,
    /// The unsynced edits by inode, each with its position in the recording.
    pending: BTreeMap<u64, Vec<(usize, Edit)>>,
    position: usize,
}

impl Disk {
    /// Creates a disk on which all of `image` is durable.
    pub fn new(image: &Image) -> Self {
        Self {
            durable: image.inodes.clone(),
            pending: BTreeMap::new(),
            position: 0,
        }
    }

    /// Applies the next event of a recording.
    pub fn play(&mut self, event: &Event) {
        match event {
            Event::New(ino, inode) => {
                self.durable.insert(*ino, inode.clone());
            }
            Event::Edit(ino, edit) => {
                self.pending
                    .entry(*ino)
                    .or_default()
                    .push((self.position, edit.clone()));
            }
            Event::Synced(ino, covered) => {
                let synced = self.take(*ino, *covered);
                if let Some(inode) = self.durable.get_mut(ino) {
                    inode.apply(synced.iter().map(|(_, edit)| edit));
                }
            }
            Event::Dropped(ino, covered) => {
                self.take(*ino, *covered);
            }
            Event::Printed(_) => {}
        }
        self.position += 1;
    }

    /// Returns the number of events applied so far.
    pub fn position(&self) -> usize {
        self.position
    }

    fn take(&mut self, ino: u64, covered: usize) -> Vec<(usize, Edit)> {
        let Some(pending) = self.pending.get_mut(&ino) else {
            return Vec::new();
        };
        let cut = pending.partition_point(|(at, _)| *at < covered);
        let taken = pending.drain(..cut).collect();
        if pending.is_empty() {
            self.pending.remove(&ino);
        }
        taken
    }

    /// Returns the image after a power cut at this position. Only [`Survival::Random`] uses `random`.
    pub fn crash(&self, survival: Survival, random: Random) -> Image {
        let mut selector = Selector::new(survival, self.position, random);
        let mut inodes = HashMap::new();
        let mut waiting = vec![ROOT];
        while let Some(ino) = waiting.pop() {
            let Some(durable) = self.durable.get(&ino) else {
                continue;
            };
            if inodes.contains_key(&ino) {
                continue;
            }
            let mut inode = durable.clone();
            if let Some(pending) = self.pending.get(&ino) {
                inode.apply(&selector.select(pending));
            }
            if let InodeKind::Folder(entries) = &inode.kind {
                waiting.extend(entries.values());
            }
            inodes.insert(ino, inode);
        }
        Image { inodes }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::digest::Digest;

    const STORE: u64 = 3;

    fn name(folder: u64, name: &str, ino: u64) -> Event {
        Event::Edit(folder, Edit::Names(vec![(name.into(), Some(ino))]))
    }

    fn files_after_crash(
        events: &[Event],
        survival: Survival,
    ) -> Vec<(PathBuf, Result<Digest, String>)> {
        let mut disk = Disk::new(&Image::default());
        for event in events {
            disk.play(event);
        }
        disk.crash(survival, Random::new(0)).files()
    }

    fn file_with_bytes() -> Vec<Event> {
        vec![
            Event::New(9, Inode::file(0o600, (0, 0))),
            name(STORE, "a", 9),
            Event::Edit(9, Edit::Write(0, (*b"ab").into())),
        ]
    }

    #[test]
    fn unsynced_edits_survive_only_if_the_rule_allows_it() {
        assert_eq!(files_after_crash(&file_with_bytes(), Survival::Nothing), []);
        let whole = [("a".into(), Ok(Digest::of(b"ab")))];
        assert_eq!(
            files_after_crash(&file_with_bytes(), Survival::Everything),
            whole
        );
    }

    #[test]
    fn a_durable_name_without_durable_bytes_is_an_empty_file() {
        let mut events = file_with_bytes();
        events.push(Event::Synced(STORE, 3));
        assert_eq!(
            files_after_crash(&events, Survival::Nothing),
            [("a".into(), Ok(Digest::of(b"")))]
        );
    }

    #[test]
    fn a_sync_does_not_cover_writes_that_arrive_while_it_runs() {
        let mut events = file_with_bytes();
        events.push(Event::Edit(9, Edit::Write(2, (*b"cd").into())));
        events.push(Event::Synced(9, 3));
        events.push(Event::Synced(STORE, 5));
        assert_eq!(
            files_after_crash(&events, Survival::Nothing),
            [("a".into(), Ok(Digest::of(b"ab")))]
        );
    }

    #[test]
    fn bytes_dropped_by_a_failed_sync_never_become_durable() {
        let mut events = file_with_bytes();
        events.push(Event::Dropped(9, 3));
        events.push(Event::Synced(9, 4));
        events.push(Event::Synced(STORE, 5));
        for survival in [Survival::Nothing, Survival::Everything] {
            assert_eq!(
                files_after_crash(&events, survival),
                [("a".into(), Ok(Digest::of(b"")))]
            );
        }
    }

    #[test]
    fn a_folder_is_lost_with_its_content_if_its_parent_was_not_synced() {
        let mut events = vec![
            Event::New(8, Inode::folder(0o700, (0, 0))),
            name(STORE, "ab", 8),
        ];
        events.push(Event::New(9, Inode::file(0o600, (0, 0))));
        events.push(name(8, "a", 9));
        events.push(Event::Synced(9, 4));
        events.push(Event::Synced(8, 4));
        assert_eq!(files_after_crash(&events, Survival::Nothing), []);
        events.push(Event::Synced(STORE, 6));
        assert_eq!(
            files_after_crash(&events, Survival::Nothing),
            [("ab/a".into(), Ok(Digest::of(b"")))]
        );
    }
}
