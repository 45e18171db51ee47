//! What is open, what it lists, and how it is synced.

use std::ffi::OsString;

use fuser::{Errno, FileType};

use super::event::Event;
use super::fault::Effect;
use super::live::{Live, kind};

#[derive(Debug, Default)]
pub(super) struct Handle {
    ino: u64,
    listing: Vec<(u64, FileType, OsString)>,
    /// A sync through another handle failed: this one hears of it at its next sync.
    failed: bool,
}

/// A sync that has begun.
#[derive(Debug)]
pub(crate) struct Syncing {
    ino: u64,
    upto: usize,
}

impl Live {
    pub(crate) fn open(&mut self, ino: u64) -> Result<u64, Errno> {
        self.node(ino)?;
        let handle = self.next_handle;
        self.next_handle += 1;
        self.handles.insert(
            handle,
            Handle {
                ino,
                ..Handle::default()
            },
        );
        Ok(handle)
    }

    pub(crate) fn close(&mut self, handle: u64) {
        self.handles.remove(&handle);
    }

    /// The listing that this handle reads, made anew whenever it is read from the start.
    pub(crate) fn list(
        &mut self,
        handle: u64,
        restart: bool,
    ) -> Result<&[(u64, FileType, OsString)], Errno> {
        let ino = self.handles.get(&handle).ok_or(Errno::EBADF)?.ino;
        if restart {
            let parent = self.node(ino)?.parent;
            let mut listing = vec![
                (ino, FileType::Directory, ".".into()),
                (parent, FileType::Directory, "..".into()),
            ];
            for (name, child) in self.entries(ino)? {
                listing.push((*child, kind(&self.node(*child)?.kind), name.clone()));
            }
            self.handles.entry(handle).or_default().listing = listing;
        }
        self.handles
            .get(&handle)
            .map(|handle| handle.listing.as_slice())
            .ok_or(Errno::EBADF)
    }

    /// Begins a sync: what is recorded by now is what it covers.
    pub(crate) fn sync_begin(
        &mut self,
        ino: u64,
        handle: u64,
        effect: Option<Effect>,
    ) -> Result<Syncing, Errno> {
        self.node(ino)?;
        let upto = self.events.len();
        if effect == Some(Effect::LostSync) {
            for (number, other) in &mut self.handles {
                other.failed |= other.ino == ino && *number != handle;
            }
            self.events.push(Event::Dropped(ino, upto));
            return Err(Errno::EIO);
        }
        if let Some(handle) = self.handles.get_mut(&handle)
            && std::mem::take(&mut handle.failed)
        {
            return Err(Errno::EIO);
        }
        Ok(Syncing { ino, upto })
    }

    pub(crate) fn sync_end(&mut self, syncing: &Syncing) -> Result<(), Errno> {
        if self.dead {
            return Err(Errno::EIO);
        }
        self.events.push(Event::Synced(syncing.ino, syncing.upto));
        Ok(())
    }
}
