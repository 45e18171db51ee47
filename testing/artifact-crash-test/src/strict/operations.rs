//! The operations of the strict file system on which several requests depend.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{Errno, FileAttr, FileHandle, FileType, INodeNo, TimeOrNow};

use super::event::Edit;
use super::fault::{Effect, OpKind};
use super::image::{Inode, STDOUT};
use super::live::LiveFs;

/// The `O_DSYNC` bit of open(2), which `O_SYNC` includes.
const O_DSYNC: i32 = 0o10_000;
/// The mode of fallocate(2) that allocates and keeps the size.
const KEEP_SIZE: i32 = 1;

/// The strict file system: its state, and the duration of a sync.
#[derive(Debug)]
pub(crate) struct StrictFs {
    pub(crate) live: Arc<Mutex<LiveFs>>,
    pub(crate) sync_time: Duration,
}

/// The attributes that a request sets on an inode.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewAttributes {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<TimeOrNow>,
}

impl StrictFs {
    /// Locks the state. It is consistent between edits, so a panic in one request does not affect others.
    pub(super) fn live(&self) -> MutexGuard<'_, LiveFs> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state and begins an operation.
    pub(super) fn begin(
        &self,
        kind: OpKind,
    ) -> Result<(MutexGuard<'_, LiveFs>, Option<Effect>), Errno> {
        let mut live = self.live();
        let effect = live.begin(kind)?;
        Ok((live, effect))
    }

    pub(super) fn create_inode(
        &self,
        kind: OpKind,
        parent: INodeNo,
        name: &OsStr,
        inode: Inode,
    ) -> Result<FileAttr, Errno> {
        let (mut live, _) = self.begin(kind)?;
        let ino = live.create(parent.0, name, inode)?;
        live.attr(ino)
    }

    pub(super) fn open_inode(&self, kind: OpKind, ino: INodeNo) -> Result<FileHandle, Errno> {
        let (mut live, _) = self.begin(kind)?;
        live.open(ino.0).map(FileHandle)
    }

    pub(super) fn set_attributes(
        &self,
        ino: INodeNo,
        new: NewAttributes,
    ) -> Result<FileAttr, Errno> {
        let (mut live, _) = self.begin(OpKind::SetAttr)?;
        if let Some(mode) = new.mode {
            live.edit(ino.0, Edit::Mode(mode & 0o7777))?;
        }
        if new.uid.is_some() || new.gid.is_some() {
            let (uid, gid) = live.owner(ino.0)?;
            let owner = Edit::Owner(new.uid.unwrap_or(uid), new.gid.unwrap_or(gid));
            live.edit(ino.0, owner)?;
        }
        if let Some(size) = new.size {
            live.edit(ino.0, Edit::Resize(size))?;
        }
        if let Some(modified) = new.modified {
            live.set_modified(ino.0, modified)?;
        }
        live.attr(ino.0)
    }

    /// Writes `data` and returns the number of bytes accepted.
    pub(super) fn write_file(
        &self,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        open_flags: i32,
    ) -> Result<u32, Errno> {
        let length = u32::try_from(data.len()).expect("a request is shorter than 4 GiB");
        if ino.0 == STDOUT {
            let mut live = self.live();
            if live.injector.powered_off {
                return Err(Errno::EIO);
            }
            live.record_output(data);
            return Ok(length);
        }
        let (mut live, effect) = self.begin(OpKind::Write)?;
        let accepted = if effect == Some(Effect::ShortWrite) {
            length / 2
        } else {
            length
        };
        live.write(ino.0, offset, &data[..accepted as usize])?;
        if open_flags & O_DSYNC != 0 {
            let sync = live.begin_sync(ino.0, fh.0, None)?;
            live.finish_sync(&sync)?;
        }
        Ok(accepted)
    }

    pub(super) fn sync(&self, kind: OpKind, ino: INodeNo, fh: FileHandle) -> Result<(), Errno> {
        if ino.0 == STDOUT {
            return Ok(());
        }
        let (mut live, effect) = self.begin(kind)?;
        let sync = live.begin_sync(ino.0, fh.0, effect)?;
        drop(live);
        // Other threads proceed while a sync sleeps, which reveals premature acknowledgements.
        std::thread::sleep(self.sync_time);
        self.live().finish_sync(&sync)
    }

    pub(super) fn allocate(
        &self,
        ino: INodeNo,
        offset: u64,
        length: u64,
        mode: i32,
    ) -> Result<(), Errno> {
        let (mut live, _) = self.begin(OpKind::Fallocate)?;
        match mode {
            KEEP_SIZE => Ok(()),
            0 => {
                let end = offset.saturating_add(length);
                if end > live.attr(ino.0)?.size {
                    live.edit(ino.0, Edit::Resize(end))
                } else {
                    Ok(())
                }
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Returns the attributes of the subject's standard output, which looks like an empty file.
    pub(super) fn stdout_attr() -> FileAttr {
        FileAttr {
            ino: INodeNo(STDOUT),
            size: 0,
            blocks: 0,
            atime: SystemTime::UNIX_EPOCH,
            mtime: SystemTime::UNIX_EPOCH,
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind: FileType::RegularFile,
            perm: 0o600,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}
