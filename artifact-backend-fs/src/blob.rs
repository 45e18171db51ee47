//! Opens and inspects blobs, and rejects everything else under a blob's name.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactId, BlobStat, Clock as _, Error, ErrorKind, Operation, Result, Stamp, SystemClock,
};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::{corrupt, failed};
use crate::layout::{self, BlobName};
use crate::root::Root;
use crate::sys::{self, SysResult};

/// The mode of every blob. Even its owner does not write to it again.
pub(crate) const BLOB_MODE: u32 = 0o400;

/// An open file that was checked to be a blob.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// The state of the file when it was checked, if a later change would show in it.
    pub(crate) stamp: Option<Stamp>,
}

/// Opens a blob and checks it.
pub(crate) fn open(root: &Root, operation: Operation, id: ArtifactId) -> Result<Blob> {
    let file = open_file(root, &BlobName::of(id))
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

/// Opens the file of a blob and does not check it.
pub(crate) fn open_file(root: &Root, name: &BlobName) -> SysResult<OwnedFd> {
    let (flags, resolve) = (OFlags::RDONLY, ResolveFlags::empty());
    let open = |path| sys::open_beneath(root.blobs(), path, flags, Mode::empty(), resolve);
    find(root, || open(name.path()), || open(name.as_str()))
}

/// Looks for a blob in its fan-out folder, and while the root is migrated in `blobs/` too.
///
/// A blob only moves from `blobs/` to its fan-out folder. So a blob that is in neither place is looked for
/// in its fan-out folder again, because it may have moved in between.
fn find<T>(
    root: &Root,
    fan_out: impl Fn() -> SysResult<T>,
    flat: impl FnOnce() -> SysResult<T>,
) -> SysResult<T> {
    let migrating = root.is_migrating();
    match fan_out() {
        Err(Errno::NOENT) if migrating => {}
        found => return found,
    }
    match flat() {
        Err(Errno::NOENT) => fan_out(),
        found => found,
    }
}

/// Inspects a blob without reading it.
pub(crate) fn stat(root: &Root, operation: Operation, id: ArtifactId) -> Result<BlobStat> {
    let folder = root
        .open_fan_out(layout::fan_out_of(id))
        .map_err(|errno| root.no_fan_out(operation, errno).with_id(id))?;
    stat_in(root, &folder, operation, id)
}

/// Inspects a blob whose fan-out folder is open.
pub(crate) fn stat_in(
    root: &Root,
    folder: &File,
    operation: Operation,
    id: ArtifactId,
) -> Result<BlobStat> {
    let name = BlobName::of(id);
    let place = |folder| move |stat| (stat, folder);
    let look = |folder| sys::stat_name(folder, name.as_str()).map(place(folder));
    let (stat, folder) = find(root, || look(folder.as_fd()), || look(root.blobs()))
        .map_err(|errno| not_opened(root, operation, id, errno))?;
    if stat.st_nlink == 1 {
        let size = check(root, operation, id, &stat, folder)?;
        return Ok(BlobStat::new(id, size, modified(&stat)));
    }
    // Needs a second look. The descriptor keeps the inode number from being reused meanwhile.
    let held =
        sys::hold(folder, name.as_str()).map_err(|errno| not_opened(root, operation, id, errno))?;
    let stat =
        sys::stat(&held).map_err(|errno| failed(operation, Some(id), "inspect the blob", errno))?;
    let size = check(root, operation, id, &stat, held.as_fd())?;
    Ok(BlobStat::new(id, size, modified(&stat)))
}

/// Returns when a file was last written to, or the epoch if the time cannot be represented.
pub(crate) fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
}

/// Two changes that are further apart than this have different times. File systems take the time from
/// the kernel's ticks of up to 10 ms.
const TIME_RESOLUTION: Duration = Duration::from_millis(50);

/// Returns the inode number and the time of its last change, which users cannot set (inode(7)).
/// Returns `None` if the last change is so recent that another could have the same time, or if the
/// time comes from another machine's clock.
fn stamp_of(root: &Root, stat: &Stat) -> Option<Stamp> {
    let seconds = u64::try_from(stat.st_ctime).ok()?;
    let nanos = u32::try_from(stat.st_ctime_nsec).ok()?;
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    let age = SystemClock.now().duration_since(changed).ok()?;
    let reliable = root.is_local() && age > TIME_RESOLUTION;
    reliable.then(|| Stamp::new([stat.st_ino, seconds, nanos.into()]))
}

fn not_opened(root: &Root, operation: Operation, id: ArtifactId, errno: Errno) -> Error {
    match errno {
        // A removed folder is empty, which says nothing about the blob.
        Errno::NOENT => match root.check_fan_out_of(operation, &BlobName::of(id)) {
            Ok(()) => Error::new(ErrorKind::NotFound, operation).with_id(id),
            Err(lost) => lost.with_id(id),
        },
        Errno::LOOP => corrupt(operation, id, "the blob's name or its folder is a symlink"),
        Errno::NOTDIR => corrupt(operation, id, "the folder of the blob is not a folder"),
        Errno::NXIO | Errno::NODEV => {
            corrupt(operation, id, "the blob's name is a socket or a device")
        }
        Errno::XDEV => corrupt(
            operation,
            id,
            "another file system is mounted over the blob",
        ),
        errno => failed(operation, Some(id), "open the blob", errno),
    }
}

/// Returns the size of a file if it is a blob of this backend. `held` is a descriptor of the file; it
/// is used only if the file does not have exactly one name.
fn check(
    root: &Root,
    operation: Operation,
    id: ArtifactId,
    stat: &Stat,
    held: BorrowedFd<'_>,
) -> Result<u64> {
    let foreign = |detail| Err(corrupt(operation, id, detail));
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return foreign("the blob's name is not a regular file");
    }
    if stat.st_dev != root.device() {
        return foreign("another file system is mounted over the blob");
    }
    if stat.st_uid != root.owner() {
        return foreign("the file belongs to another user; chown it if it was restored");
    }
    if stat.st_mode & 0o7777 != BLOB_MODE {
        return foreign(
            "the file does not have the mode of a blob; chmod 400 it if it was restored",
        );
    }
    // A migration gives a blob its new name before it removes the old one.
    if stat.st_nlink != 1
        && !root.is_migrating()
        && !is_being_published(root, operation, stat, held)?
    {
        return foreign("the file has other names (hard links)");
    }
    match u64::try_from(stat.st_size) {
        Ok(size) => Ok(size),
        Err(_) => foreign("the file has a negative size"),
    }
}

/// Returns whether the second name of a file is in the staging folder: the blob is just being
/// published, or a crash left the name and no sweep has removed it yet.
fn is_being_published(
    root: &Root,
    operation: Operation,
    stat: &Stat,
    held: BorrowedFd<'_>,
) -> Result<bool> {
    if stat.st_nlink == 0 {
        // Deleted after it was opened. Its bytes are unchanged.
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
    // Publishing ends with the removal of the second name, which may have happened meanwhile.
    Ok(sys::stat(held).map_err(fail)?.st_nlink <= 1)
}

/// Opens a blob if that does not wait for the disk. Returns `None` if it would, and in every unusual
/// case, which [`open`] then reports.
pub(crate) fn open_cached(
    root: &Root,
    operation: Operation,
    id: ArtifactId,
) -> Result<Option<Blob>> {
    let name = BlobName::of(id);
    let flags = OFlags::RDONLY;
    let resolve = ResolveFlags::CACHED;
    let opened = sys::open_beneath(root.blobs(), name.path(), flags, Mode::empty(), resolve);
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
