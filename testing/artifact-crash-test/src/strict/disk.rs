//! What is durable, and what waits for a sync, at one position of a recording.

use std::collections::{BTreeMap, HashMap};

use super::event::{Edit, Event};
use super::image::{Image, Inode, InodeKind, ROOT};
use super::survival::{Choice, Survival};
use crate::random::Random;

/// The disk as a recording is played back to it: durable inodes, and edits not yet synced.
#[derive(Debug, Clone)]
pub struct Disk {
    durable: HashMap<u64, Inode>,
    /// By inode; each edit with its position in the recording.
    pending: BTreeMap<u64, Vec<(usize, Edit)>>,
    position: usize,
}

impl Disk {
    /// A disk on which all of `image` is durable.
    pub fn new(image: &Image) -> Self {
        Self {
            durable: image.inodes.clone(),
            pending: BTreeMap::new(),
            position: 0,
        }
    }

    /// Plays the next event of a recording.
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
            Event::Synced(ino, upto) => {
                let synced = self.take(*ino, *upto);
                if let Some(inode) = self.durable.get_mut(ino) {
                    inode.apply(synced.iter().map(|(_, edit)| edit));
                }
            }
            Event::Dropped(ino, upto) => {
                self.take(*ino, *upto);
            }
            Event::Said(_) => {}
        }
        self.position += 1;
    }

    /// How many events were played.
    pub fn position(&self) -> usize {
        self.position
    }

    fn take(&mut self, ino: u64, upto: usize) -> Vec<(usize, Edit)> {
        let Some(pending) = self.pending.get_mut(&ino) else {
            return Vec::new();
        };
        let cut = pending.partition_point(|(at, _)| *at < upto);
        let taken = pending.drain(..cut).collect();
        if pending.is_empty() {
            self.pending.remove(&ino);
        }
        taken
    }

    /// What a power cut here leaves. `random` matters to [`Survival::Random`] only.
    pub fn crash(&self, survival: Survival, random: Random) -> Image {
        let mut choice = Choice::new(survival, self.position, random);
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
                inode.apply(&choice.of(pending));
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

    fn left(events: &[Event], survival: Survival) -> Vec<(PathBuf, Result<Digest, String>)> {
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
    fn nothing_survives_unsynced_and_everything_may() {
        assert_eq!(left(&file_with_bytes(), Survival::Nothing), []);
        let whole = [("a".into(), Ok(Digest::of(b"ab")))];
        assert_eq!(left(&file_with_bytes(), Survival::Everything), whole);
    }

    #[test]
    fn a_name_without_its_bytes_is_an_empty_file() {
        let mut events = file_with_bytes();
        events.push(Event::Synced(STORE, 3));
        assert_eq!(
            left(&events, Survival::Nothing),
            [("a".into(), Ok(Digest::of(b"")))]
        );
    }

    #[test]
    fn what_came_in_while_a_sync_ran_is_not_covered() {
        let mut events = file_with_bytes();
        events.push(Event::Edit(9, Edit::Write(2, (*b"cd").into())));
        events.push(Event::Synced(9, 3));
        events.push(Event::Synced(STORE, 5));
        assert_eq!(
            left(&events, Survival::Nothing),
            [("a".into(), Ok(Digest::of(b"ab")))]
        );
    }

    #[test]
    fn what_a_failed_sync_dropped_never_comes_back() {
        let mut events = file_with_bytes();
        events.push(Event::Dropped(9, 3));
        events.push(Event::Synced(9, 4));
        events.push(Event::Synced(STORE, 5));
        for survival in [Survival::Nothing, Survival::Everything] {
            assert_eq!(left(&events, survival), [("a".into(), Ok(Digest::of(b"")))]);
        }
    }

    #[test]
    fn a_folder_whose_parent_was_not_synced_is_lost_with_all_in_it() {
        let mut events = vec![
            Event::New(8, Inode::folder(0o700, (0, 0))),
            name(STORE, "ab", 8),
        ];
        events.push(Event::New(9, Inode::file(0o600, (0, 0))));
        events.push(name(8, "a", 9));
        events.push(Event::Synced(9, 4));
        events.push(Event::Synced(8, 4));
        assert_eq!(left(&events, Survival::Nothing), []);
        events.push(Event::Synced(STORE, 6));
        assert_eq!(
            left(&events, Survival::Nothing),
            [("ab/a".into(), Ok(Digest::of(b"")))]
        );
    }
}
