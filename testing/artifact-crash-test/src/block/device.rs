//! Serves two files through FUSE: the backing file of the loop device and the subject's standard output.

use std::ffi::OsStr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    WriteFlags,
};

use super::event::BlockEvent;
use super::pages::Pages;
use crate::protocol::LineSplitter;

pub(crate) const DISK_NAME: &str = "disk";
pub(crate) const STDOUT_NAME: &str = "stdout";
const DISK: u64 = 2;
const STDOUT: u64 = 3;
const TTL: Duration = Duration::from_secs(60);
/// The modes `FALLOC_FL_PUNCH_HOLE` and `FALLOC_FL_ZERO_RANGE` of fallocate(2). The loop driver sends the
/// first for a discard and the second for a request to write zeros.
const ZEROING_MODES: i32 = 0x02 | 0x10;

/// The device's current content, and the log while a recording runs.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) pages: Pages,
    pub(crate) log: Option<Vec<BlockEvent>>,
    /// The fault of a recording.
    pub(crate) fault: Option<WriteFault>,
    lines: LineSplitter,
}

impl Disk {
    fn change(&mut self, event: BlockEvent) {
        event.apply(&mut self.pages);
        if let Some(log) = &mut self.log {
            log.push(event);
        }
    }
}

/// A fault that lets some writes to some parts of the device fail with EIO.
#[derive(Debug)]
pub(crate) struct WriteFault {
    /// The parts of the device, in bytes.
    pub(crate) parts: Vec<Range<u64>>,
    /// The number of writes to these parts that still succeed.
    pub(crate) succeed: usize,
    /// The number of writes that then fail.
    pub(crate) fail: usize,
}

impl WriteFault {
    fn fails(&mut self, write: &Range<u64>) -> bool {
        let overlaps = |part: &Range<u64>| part.start < write.end && write.start < part.end;
        if !self.parts.iter().any(overlaps) {
            return false;
        }
        if self.succeed > 0 {
            self.succeed -= 1;
            return false;
        }
        let fails = self.fail > 0;
        self.fail = self.fail.saturating_sub(1);
        fails
    }
}

#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) disk: Arc<Mutex<Disk>>,
    pub(crate) size: u64,
    /// The duration of a flush while a recording runs.
    pub(crate) sync_time: Duration,
}

impl Device {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attr(&self, ino: u64) -> Option<FileAttr> {
        let (kind, perm, size) = match ino {
            1 => (FileType::Directory, 0o700, 4096),
            DISK => (FileType::RegularFile, 0o600, self.size),
            STDOUT => (FileType::RegularFile, 0o600, 0),
            _ => return None,
        };
        Some(FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size / 512,
            atime: SystemTime::UNIX_EPOCH,
            mtime: SystemTime::UNIX_EPOCH,
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Filesystem for Device {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let ino = if name == DISK_NAME {
            DISK
        } else if name == STDOUT_NAME {
            STDOUT
        } else {
            return reply.error(Errno::ENOENT);
        };
        match self.attr(ino) {
            Some(attr) => reply.entry(&TTL, &attr, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attr(ino.0) {
            Some(attr) => reply.attr(&TTL, &attr),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Direct I/O avoids a page cache below the loop device: its writes are logged at once, and a
        // replaced content is read at once.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let end = if ino.0 == DISK { self.size } else { 0 };
        let length = end.saturating_sub(offset).min(u64::from(size));
        let mut buffer = vec![0; usize::try_from(length).expect("at most a u32")];
        self.disk().pages.read(offset, &mut buffer);
        reply.data(&buffer);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut disk = self.disk();
        if ino.0 == STDOUT {
            let lines = disk.lines.push(data);
            if let Some(log) = &mut disk.log {
                log.extend(lines.into_iter().map(BlockEvent::Printed));
            }
        } else if offset.saturating_add(data.len() as u64) > self.size {
            return reply.error(Errno::EFBIG);
        } else {
            let part = offset..offset + data.len() as u64;
            if disk.fault.as_mut().is_some_and(|fault| fault.fails(&part)) {
                if let Some(log) = &mut disk.log {
                    log.push(BlockEvent::Failed(part));
                }
                return reply.error(Errno::EIO);
            }
            disk.change(BlockEvent::Write(offset, Arc::from(data)));
        }
        reply.written(u32::try_from(data.len()).expect("a request is shorter than 4 GiB"));
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let covered = self.disk().log.as_ref().map(Vec::len);
        if let Some(covered) = covered {
            std::thread::sleep(self.sync_time);
            // If the log was taken in the meantime, this flush belongs to no recording.
            if let Some(log) = self.disk().log.as_mut().filter(|log| log.len() >= covered) {
                log.push(BlockEvent::Flush(covered));
            }
        }
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode & ZEROING_MODES == 0 || offset.saturating_add(length) > self.size {
            return reply.error(Errno::EOPNOTSUPP);
        }
        self.disk().change(BlockEvent::Zero(offset, length));
        reply.ok();
    }
}
