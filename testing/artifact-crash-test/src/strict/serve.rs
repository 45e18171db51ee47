//! The strict file system as FUSE sees it: each request is one operation on [`Live`].

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::event::Edit;
use super::fault::{Effect, OpKind};
use super::image::{Inode, InodeKind, ROOT, STDOUT};
use super::live::Live;

/// The name by which the harness, and nobody else, opens the subject's standard output.
pub(crate) const STDOUT_NAME: &str = ".artifact-crash-stdout";

/// All changes come through the kernel, so what it caches stays true.
const TTL: Duration = Duration::from_secs(1);
const FIRST: Generation = Generation(0);
/// open(2): the value of `O_DSYNC`, which is part of `O_SYNC` too.
const O_DSYNC: i32 = 0o10_000;
/// stat(2), `S_IFMT` and `S_IFREG`.
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
/// fallocate(2): the mode that allocates and leaves the size alone.
const KEEP_SIZE: i32 = 1;

#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) live: Arc<Mutex<Live>>,
    pub(crate) sync_time: Duration,
}

impl Served {
    /// A panic in one request must not hide the others' results: the state is whole between edits.
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, kind: OpKind) -> Result<(MutexGuard<'_, Live>, Option<Effect>), Errno> {
        let mut live = self.live();
        let effect = live.enter(kind)?;
        Ok((live, effect))
    }

    fn make(
        &self,
        kind: OpKind,
        parent: INodeNo,
        name: &OsStr,
        inode: Inode,
    ) -> Result<FileAttr, Errno> {
        let (mut live, _) = self.enter(kind)?;
        let ino = live.make(parent.0, name, inode)?;
        live.attr(ino)
    }

    fn sync(&self, kind: OpKind, ino: INodeNo, fh: FileHandle) -> Result<(), Errno> {
        if ino.0 == STDOUT {
            return Ok(());
        }
        let (mut live, effect) = self.enter(kind)?;
        let syncing = live.sync_begin(ino.0, fh.0, effect)?;
        drop(live);
        // A sync takes its time, in which others go on: that is when answers given too early show.
        std::thread::sleep(self.sync_time);
        self.live().sync_end(&syncing)
    }

    fn open_any(&self, kind: OpKind, ino: INodeNo) -> Result<FileHandle, Errno> {
        let (mut live, _) = self.enter(kind)?;
        live.open(ino.0).map(FileHandle)
    }

    /// The subject's standard output looks like an empty file.
    fn stdout_attr() -> FileAttr {
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

/// Answers with a value or an errno.
macro_rules! answer {
    ($reply:ident, $result:expr, $value:pat => $ok:expr) => {
        match $result {
            Ok($value) => $ok,
            Err(errno) => $reply.error(errno),
        }
    };
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent.0 == ROOT && name == STDOUT_NAME {
            return reply.entry(&Duration::ZERO, &Self::stdout_attr(), FIRST);
        }
        let attr = self
            .enter(OpKind::Lookup)
            .and_then(|(live, _)| live.attr(live.child(parent.0, name)?));
        answer!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        if ino.0 == STDOUT {
            return reply.attr(&TTL, &Self::stdout_attr());
        }
        let attr = self
            .enter(OpKind::GetAttr)
            .and_then(|(live, _)| live.attr(ino.0));
        answer!(reply, attr, attr => reply.attr(&TTL, &attr));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if ino.0 == STDOUT {
            return reply.attr(&TTL, &Self::stdout_attr());
        }
        let set = || {
            let (mut live, _) = self.enter(OpKind::SetAttr)?;
            if let Some(mode) = mode {
                live.edit(ino.0, Edit::Mode(mode & 0o7777))?;
            }
            if uid.is_some() || gid.is_some() {
                let owner = live.owner(ino.0)?;
                live.edit(
                    ino.0,
                    Edit::Owner(uid.unwrap_or(owner.0), gid.unwrap_or(owner.1)),
                )?;
            }
            if let Some(size) = size {
                live.edit(ino.0, Edit::Resize(size))?;
            }
            if let Some(mtime) = mtime {
                live.touch(ino.0, mtime)?;
            }
            live.attr(ino.0)
        };
        answer!(reply, set(), attr => reply.attr(&TTL, &attr));
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let target = self
            .enter(OpKind::ReadLink)
            .and_then(|(live, _)| Ok(live.target(ino.0)?.as_encoded_bytes().to_vec()));
        answer!(reply, target, target => reply.data(&target));
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        if mode & S_IFMT != S_IFREG {
            return reply.error(Errno::EPERM);
        }
        let inode = Inode::file(mode & 0o7777, (request.uid(), request.gid()));
        let attr = self.make(OpKind::Create, parent, name, inode);
        answer!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let inode = Inode::folder(mode & 0o7777, (request.uid(), request.gid()));
        let attr = self.make(OpKind::MkDir, parent, name, inode);
        answer!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self
            .enter(OpKind::Unlink)
            .and_then(|(mut live, _)| live.unlink(parent.0, name));
        answer!(reply, done, () => reply.ok());
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self
            .enter(OpKind::RmDir)
            .and_then(|(mut live, _)| live.rmdir(parent.0, name));
        answer!(reply, done, () => reply.ok());
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        link_name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let kind = InodeKind::Symlink(target.as_os_str().to_owned());
        let inode = Inode::new(kind, 0o777, (request.uid(), request.gid()));
        let attr = self.make(OpKind::Symlink, parent, link_name, inode);
        answer!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let done = self
            .enter(OpKind::Rename)
            .and_then(|(mut live, _)| live.rename((parent.0, name), (newparent.0, newname), flags));
        answer!(reply, done, () => reply.ok());
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        let attr = self.enter(OpKind::Link).and_then(|(mut live, _)| {
            live.link(ino.0, newparent.0, newname)?;
            live.attr(ino.0)
        });
        answer!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn open(&self, _: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        if ino.0 == STDOUT {
            // Straight through to `write` below, with no position.
            return reply.opened(
                FileHandle(0),
                FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NONSEEKABLE,
            );
        }
        let opened = self.open_any(OpKind::Open, ino);
        answer!(reply, opened, handle => reply.opened(handle, FopenFlags::empty()));
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let create = || {
            let (mut live, _) = self.enter(OpKind::Create)?;
            let inode = Inode::file(mode & 0o7777, (request.uid(), request.gid()));
            let ino = live.make(parent.0, name, inode)?;
            Ok((live.attr(ino)?, live.open(ino)?))
        };
        answer!(reply, create(), (attr, handle) =>
            reply.created(&TTL, &attr, FIRST, FileHandle(handle), FopenFlags::empty()));
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let bytes = self
            .enter(OpKind::Read)
            .and_then(|(live, _)| Ok(live.read(ino.0, offset, size)?.to_vec()));
        answer!(reply, bytes, bytes => reply.data(&bytes));
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let all = u32::try_from(data.len()).expect("a request is shorter than 4 GiB");
        let write = || {
            if ino.0 == STDOUT {
                let mut live = self.live();
                if live.dead {
                    return Err(Errno::EIO);
                }
                live.say(data);
                return Ok(all);
            }
            let (mut live, effect) = self.enter(OpKind::Write)?;
            let taken = if effect == Some(Effect::Short) {
                all / 2
            } else {
                all
            };
            live.write(ino.0, offset, &data[..taken as usize])?;
            if flags.0 & O_DSYNC != 0 {
                let syncing = live.sync_begin(ino.0, fh.0, None)?;
                live.sync_end(&syncing)?;
            }
            Ok(taken)
        };
        answer!(reply, write(), taken => reply.written(taken));
    }

    fn flush(&self, _: &Request, ino: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        if ino.0 == STDOUT {
            return reply.ok();
        }
        answer!(reply, self.enter(OpKind::Flush), _ => reply.ok());
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.live().close(fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, fh: FileHandle, _data: bool, reply: ReplyEmpty) {
        answer!(reply, self.sync(OpKind::Fsync, ino, fh), () => reply.ok());
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let opened = self.open_any(OpKind::OpenDir, ino);
        answer!(reply, opened, handle => reply.opened(handle, FopenFlags::empty()));
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut list = || {
            let (mut live, _) = self.enter(OpKind::ReadDir)?;
            let listing = live.list(fh.0, offset == 0)?;
            for (position, (ino, kind, name)) in (1..).zip(listing) {
                if position > offset && reply.add(INodeNo(*ino), position, *kind, name) {
                    break;
                }
            }
            Ok(())
        };
        answer!(reply, list(), () => reply.ok());
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.live().close(fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, fh: FileHandle, _data: bool, reply: ReplyEmpty) {
        answer!(reply, self.sync(OpKind::FsyncDir, ino, fh), () => reply.ok());
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        answer!(reply, self.enter(OpKind::StatFs), _ =>
            reply.statfs(1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 255, 4096));
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let allocate = || {
            let (mut live, _) = self.enter(OpKind::Fallocate)?;
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
        };
        answer!(reply, allocate(), () => reply.ok());
    }
}
