//! Open handles: their folder listings and their syncs.

use std::ffi::OsString;

use fuser::{Errno, FileType};

use super::event::Event;
use super::fault::Effect;
use super::live::{LiveFs, kind};

#[derive(Debug, Default)]
pub(super) struct Handle {
    ino: u64,
    listing: Vec<(u64, FileType, OsString)>,
    /// A sync through another handle failed. The next sync through this handle returns EIO.
    pending_error: bool,
}

/// A sync that has begun and not yet finished.
#[derive(Debug)]
pub(crate) struct SyncInProgress {
    ino: u64,
    covered: usize,
}

impl LiveFs {
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

    /// Returns the folder listing of this handle. Reads the folder again if `restart` is set.
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

    /// Begins a sync. It covers the edits that are recorded by now.
    pub(crate) fn begin_sync(
        &mut self,
        ino: u64,
        handle: u64,
        effect: Option<Effect>,
    ) -> Result<SyncInProgress, Errno> {
        self.node(ino)?;
        let covered = self.events.len();
        if effect == Some(Effect::LostSync) {
            for (number, other) in &mut self.handles {
                other.pending_error |= other.ino == ino && *number != handle;
            }
            self.events.push(Event::Dropped(ino, covered));
            return Err(Errno::EIO);
        }
        if let Some(handle) = self.handles.get_mut(&handle)
            && std::mem::take(&mut handle.pending_error)
        {
            return Err(Errno::EIO);
        }
        Ok(SyncInProgress { ino, covered })
    }

    pub(crate) fn finish_sync(&mut self, sync: &SyncInProgress) -> Result<(), Errno> {
        if self.injector.powered_off {
            return Err(Errno::EIO);
        }
        self.events.push(Event::Synced(sync.ino, sync.covered));
        Ok(())
    }
}
