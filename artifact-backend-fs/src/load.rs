//! From a name to the bytes of a blob, and to nothing else.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactId, BlobStat, Clock as _, Error, ErrorKind, Operation, Result, Stamp, SystemClock,
};
use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, ReadWriteFlags};

use crate::buffers::{Buffer, Buffers};
use crate::error::{corrupt, failed};
use crate::layout::BlobName;
use crate::root::Root;
use crate::sys;

/// The mode of every blob: nobody writes to it again, its owner included.
pub(crate) const BLOB_MODE: u32 = 0o400;

/// An open blob that was looked at.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// From when it was looked at, if it can show a later change.
    pub(crate) stamp: Option<Stamp>,
}

/// Opens a blob, and makes sure that it is one.
pub(crate) fn open(root: &Root, operation: Operation, id: ArtifactId) -> Result<Blob> {
    let name = BlobName::of(id);
    let flags = OFlags::RDONLY;
    let resolve = ResolveFlags::empty();
    let file = sys::open_beneath(root.blobs(), name.as_str(), flags, Mode::empty(), resolve)
        .map_err(|errno| not_opened(root, operation, id, errno))?;
    let stat =
        sys::stat(&file).map_err(|errno| failed(operation, Some(id), "inspect the blob", errno))?;
    let size = check(root, operation, id, &stat, file.as_fd())?;
    Ok(Blob {
        file: file.into(),
        size,
        stamp: stamp_of(root, &stat),
    })
}

/// What is known of a blob without reading it.
pub(crate) fn stat(root: &Root, operation: Operation, id: ArtifactId) -> Result<BlobStat> {
    let name = BlobName::of(id);
    let stat = sys::stat_name(root.blobs(), name.as_str())
        .map_err(|errno| not_opened(root, operation, id, errno))?;
    if stat.st_nlink == 1 {
        let size = check(root, operation, id, &stat, root.blobs())?;
        return Ok(BlobStat::new(id, size, modified(&stat)));
    }
    // To be looked at more than once, and held meanwhile, lest its number go to another file.
    let held = sys::hold(root.blobs(), name.as_str())
        .map_err(|errno| not_opened(root, operation, id, errno))?;
    let stat =
        sys::stat(&held).map_err(|errno| failed(operation, Some(id), "inspect the blob", errno))?;
    let size = check(root, operation, id, &stat, held.as_fd())?;
    Ok(BlobStat::new(id, size, modified(&stat)))
}

/// When a file was last written to; the epoch for what no clock of ours can show.
pub(crate) fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
}

/// A change later than this after the last one has another time. The clock of file systems goes by the
/// kernel's ticks, of up to 10 ms each.
const TICKS: Duration = Duration::from_millis(50);

/// The inode, and when it was last changed in any way: the one time that nobody sets by hand (inode(7)).
/// `None` where the last change is so young that another could have the same time, or where that time is
/// of another machine's clock.
fn stamp_of(root: &Root, stat: &Stat) -> Option<Stamp> {
    let seconds = u64::try_from(stat.st_ctime).ok()?;
    let nanos = u32::try_from(stat.st_ctime_nsec).ok()?;
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    let age = SystemClock.now().duration_since(changed).ok()?;
    let tells = root.is_local() && age > TICKS;
    tells.then(|| Stamp::new([stat.st_ino, seconds, nanos.into()]))
}

fn not_opened(root: &Root, operation: Operation, id: ArtifactId, errno: Errno) -> Error {
    match errno {
        // Only a folder that is still there knows what it does not hold.
        Errno::NOENT => match root.check_alive(operation) {
            Ok(()) => Error::new(ErrorKind::NotFound, operation).with_id(id),
            Err(lost) => lost.with_id(id),
        },
        Errno::LOOP => corrupt(operation, id, "a symlink lies under the blob's name"),
        Errno::NXIO | Errno::NODEV => {
            corrupt(operation, id, "a socket or a device lies under its name")
        }
        Errno::XDEV => corrupt(operation, id, "something is mounted over the blob"),
        errno => failed(operation, Some(id), "open the blob", errno),
    }
}

/// The size of what lies under a blob's name, if it is a blob of ours. `held` is a descriptor of it,
/// and looked at only if it has not one name.
fn check(
    root: &Root,
    operation: Operation,
    id: ArtifactId,
    stat: &Stat,
    held: BorrowedFd<'_>,
) -> Result<u64> {
    let not_ours = |what| Err(corrupt(operation, id, what));
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return not_ours("what lies under its name is not a regular file");
    }
    if stat.st_dev != root.device() {
        return not_ours("something is mounted over the blob");
    }
    if stat.st_uid != root.owner() {
        return not_ours("the file under its name belongs to another user");
    }
    if stat.st_mode & 0o7777 != BLOB_MODE {
        return not_ours(
            "the file under its name has not the mode of a blob; chmod 400 it if it was restored",
        );
    }
    if stat.st_nlink != 1 && !is_being_published(root, operation, stat, held)? {
        return not_ours("the file under its name has other names too");
    }
    match u64::try_from(stat.st_size) {
        Ok(size) => Ok(size),
        Err(_) => not_ours("the file under its name has a negative size"),
    }
}

/// Whether the second name of a file is that of a named temporary: one that is just being published,
/// or that a crash left and no sweep removed yet.
fn is_being_published(
    root: &Root,
    operation: Operation,
    stat: &Stat,
    held: BorrowedFd<'_>,
) -> Result<bool> {
    if stat.st_nlink == 0 {
        // Deleted since it was opened; its bytes are still what they were.
        return Ok(true);
    }
    if stat.st_nlink != 2 {
        return Ok(false);
    }
    let fail = |errno| failed(operation, None, "read the staging folder", errno);
    for entry in rustix::fs::Dir::read_from(root.staging()).map_err(fail)? {
        if entry.map_err(fail)?.ino() == stat.st_ino {
            return Ok(true);
        }
    }
    // The second name may have gone between the two looks, which is how publishing ends.
    Ok(sys::stat(held).map_err(fail)?.st_nlink <= 1)
}

/// Reads `wanted` bytes at `at`, all of them, into a buffer whose first `length` bytes are there
/// already.
pub(crate) fn read_piece(
    file: &File,
    mut buffer: Buffer,
    id: ArtifactId,
    at: u64,
    mut length: usize,
    wanted: usize,
) -> Result<Bytes> {
    while length < wanted {
        let from = at + length as u64;
        let room = &mut buffer.as_mut()[length..wanted];
        let read = sys::retry(|| rustix::io::pread(file, &mut *room, from))
            .map_err(|errno| failed(Operation::Download, Some(id), "read the blob", errno))?;
        if read == 0 {
            return Err(corrupt(
                Operation::Download,
                id,
                "the file ended before its end",
            ));
        }
        length += read;
    }
    Ok(buffer.into_bytes(wanted))
}

/// What a look without waiting found.
#[derive(Debug)]
pub(crate) enum Inline {
    /// All of it was in memory.
    Done(Bytes),
    /// It could be opened, and is too large for one small read.
    Large(Blob),
    /// It could be opened; the disk is needed for its bytes.
    Cold(Blob),
    /// Even opening it needs the disk.
    Wait,
}

/// Loads a blob of up to `most` bytes on the caller's thread if all of it, names and inode included, is in
/// memory: openat2(2) with `RESOLVE_CACHED` and preadv2(2) with `RWF_NOWAIT` never wait for the disk.
pub(crate) fn inline(root: &Root, buffers: &Buffers, id: ArtifactId, most: u64) -> Result<Inline> {
    let Some(blob) = open_cached(root, Operation::Load, id)? else {
        return Ok(Inline::Wait);
    };
    let length = match usize::try_from(blob.size) {
        Ok(length) if blob.size <= most => length,
        _ => return Ok(Inline::Large(blob)),
    };
    // With the end of the file behind them.
    let mut buffer = buffers.take(length + 1);
    let read = read_cached(blob.file.as_fd(), &mut buffer.as_mut()[..=length], 0);
    if read == length {
        Ok(Inline::Done(buffer.into_bytes(length)))
    } else {
        Ok(Inline::Cold(blob))
    }
}

/// Opens a blob if that needs no wait. `None` where it does, or where what is there is not simple: the
/// other way has the right words for it.
pub(crate) fn open_cached(
    root: &Root,
    operation: Operation,
    id: ArtifactId,
) -> Result<Option<Blob>> {
    let name = BlobName::of(id);
    let flags = OFlags::RDONLY;
    let resolve = ResolveFlags::CACHED;
    let opened = sys::open_beneath(root.blobs(), name.as_str(), flags, Mode::empty(), resolve);
    let Ok(file) = opened else {
        return Ok(None);
    };
    let Ok(stat) = sys::stat(&file) else {
        return Ok(None);
    };
    if stat.st_nlink != 1 {
        return Ok(None);
    }
    let size = check(root, operation, id, &stat, file.as_fd())?;
    Ok(Some(Blob {
        file: file.into(),
        size,
        stamp: stamp_of(root, &stat),
    }))
}

/// How many bytes at `at` are in the page cache, read into `bytes`. An error is no byte: whoever waits
/// for the disk finds out.
pub(crate) fn read_cached(file: BorrowedFd<'_>, bytes: &mut [u8], at: u64) -> usize {
    let mut buffers = [IoSliceMut::new(bytes)];
    rustix::io::preadv2(file, &mut buffers, at, ReadWriteFlags::NOWAIT).unwrap_or(0)
}
