//! The FUSE requests of the strict file system.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::fault::OpKind;
use super::image::{Inode, InodeKind, ROOT, STDOUT};
use super::operations::{NewAttributes, StrictFs};

/// The name by which the harness opens the subject's standard output. No listing shows it.
pub(crate) const STDOUT_NAME: &str = ".artifact-crash-stdout";

/// How long the kernel may cache attributes. All changes pass through the kernel, so its cache stays valid.
const TTL: Duration = Duration::from_secs(1);
const FIRST: Generation = Generation(0);
/// The constants `S_IFMT` and `S_IFREG` of stat(2).
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;

/// Replies with a value or an errno.
macro_rules! reply_with {
    ($reply:ident, $result:expr, $value:pat => $ok:expr) => {
        match $result {
            Ok($value) => $ok,
            Err(errno) => $reply.error(errno),
        }
    };
}

impl Filesystem for StrictFs {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent.0 == ROOT && name == STDOUT_NAME {
            return reply.entry(&Duration::ZERO, &Self::stdout_attr(), FIRST);
        }
        let attr = self
            .begin(OpKind::Lookup)
            .and_then(|(live, _)| live.attr(live.child(parent.0, name)?));
        reply_with!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        if ino.0 == STDOUT {
            return reply.attr(&TTL, &Self::stdout_attr());
        }
        let attr = self
            .begin(OpKind::GetAttr)
            .and_then(|(live, _)| live.attr(ino.0));
        reply_with!(reply, attr, attr => reply.attr(&TTL, &attr));
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
        let new = NewAttributes {
            mode,
            uid,
            gid,
            size,
            modified: mtime,
        };
        let attr = self.set_attributes(ino, new);
        reply_with!(reply, attr, attr => reply.attr(&TTL, &attr));
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let target = self
            .begin(OpKind::ReadLink)
            .and_then(|(live, _)| Ok(live.target(ino.0)?.as_encoded_bytes().to_vec()));
        reply_with!(reply, target, target => reply.data(&target));
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
        let attr = self.create_inode(OpKind::Create, parent, name, inode);
        reply_with!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
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
        let attr = self.create_inode(OpKind::MkDir, parent, name, inode);
        reply_with!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self
            .begin(OpKind::Unlink)
            .and_then(|(mut live, _)| live.unlink(parent.0, name));
        reply_with!(reply, done, () => reply.ok());
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self
            .begin(OpKind::RmDir)
            .and_then(|(mut live, _)| live.rmdir(parent.0, name));
        reply_with!(reply, done, () => reply.ok());
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
        let attr = self.create_inode(OpKind::Symlink, parent, link_name, inode);
        reply_with!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
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
            .begin(OpKind::Rename)
            .and_then(|(mut live, _)| live.rename((parent.0, name), (newparent.0, newname), flags));
        reply_with!(reply, done, () => reply.ok());
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        let attr = self.begin(OpKind::Link).and_then(|(mut live, _)| {
            live.link(ino.0, newparent.0, newname)?;
            live.attr(ino.0)
        });
        reply_with!(reply, attr, attr => reply.entry(&TTL, &attr, FIRST));
    }

    fn open(&self, _: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        if ino.0 == STDOUT {
            // Each write goes directly to `write` below, without a position.
            return reply.opened(
                FileHandle(0),
                FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NONSEEKABLE,
            );
        }
        let opened = self.open_inode(OpKind::Open, ino);
        reply_with!(reply, opened, handle => reply.opened(handle, FopenFlags::empty()));
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
            let (mut live, _) = self.begin(OpKind::Create)?;
            let inode = Inode::file(mode & 0o7777, (request.uid(), request.gid()));
            let ino = live.create(parent.0, name, inode)?;
            Ok((live.attr(ino)?, live.open(ino)?))
        };
        reply_with!(reply, create(), (attr, handle) =>
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
            .begin(OpKind::Read)
            .and_then(|(live, _)| Ok(live.read(ino.0, offset, size)?.to_vec()));
        reply_with!(reply, bytes, bytes => reply.data(&bytes));
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
        let written = self.write_file(ino, fh, offset, data, flags.0);
        reply_with!(reply, written, length => reply.written(length));
    }

    fn flush(&self, _: &Request, ino: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        if ino.0 == STDOUT {
            return reply.ok();
        }
        reply_with!(reply, self.begin(OpKind::Flush), _ => reply.ok());
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
        reply_with!(reply, self.sync(OpKind::Fsync, ino, fh), () => reply.ok());
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let opened = self.open_inode(OpKind::OpenDir, ino);
        reply_with!(reply, opened, handle => reply.opened(handle, FopenFlags::empty()));
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
            let (mut live, _) = self.begin(OpKind::ReadDir)?;
            let listing = live.list(fh.0, offset == 0)?;
            for (position, (ino, kind, name)) in (1..).zip(listing) {
                if position > offset && reply.add(INodeNo(*ino), position, *kind, name) {
                    break;
                }
            }
            Ok(())
        };
        reply_with!(reply, list(), () => reply.ok());
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.live().close(fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, fh: FileHandle, _data: bool, reply: ReplyEmpty) {
        reply_with!(reply, self.sync(OpKind::FsyncDir, ino, fh), () => reply.ok());
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply_with!(reply, self.begin(OpKind::StatFs), _ =>
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
        let allocated = self.allocate(ino, offset, length, mode);
        reply_with!(reply, allocated, () => reply.ok());
    }
}
