//! Opens and inspects blobs, and rejects everything else under a blob's name.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactId, BlobStat, Clock as _, Error, ErrorKind, Operation, Result, Stamp, SystemClock,
};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::layout::{self, BlobName};
use crate::linux::error::{corrupt, failed};
use crate::linux::root::Root;
use crate::linux::sys::{self, SysResult};

/// The mode that every blob is created with. Even its owner does not write to it again.
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
    let size = check(operation, id, &stat)?;
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
    let (mut stat, folder) = find(root, || look(folder.as_fd()), || look(root.blobs()))
        .map_err(|errno| not_opened(root, operation, id, errno))?;
    if stat.st_dev != root.device() {
        // An overlay, whose files and folders have different devices, or a mount over the blob. Only a
        // mount cannot be opened.
        let held = sys::hold(folder, name.as_str())
            .map_err(|errno| not_opened(root, operation, id, errno))?;
        stat = sys::stat(&held)
            .map_err(|errno| failed(operation, Some(id), "inspect the blob", errno))?;
    }
    let size = check(operation, id, &stat)?;
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

/// Returns the size of a file if it can be a blob: a regular file.
///
/// Its device, mode, owner and link count say nothing: overlays, FUSE, access control lists, restored
/// backups and hard-linked snapshots change them and keep the bytes. How the file was opened rules out
/// links and mounts, and the digest in the catalog decides whether the bytes are the right ones.
fn check(operation: Operation, id: ArtifactId, stat: &Stat) -> Result<u64> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(corrupt(
            operation,
            id,
            "the blob's name is not a regular file",
        ));
    }
    u64::try_from(stat.st_size).map_err(|_| corrupt(operation, id, "the file has a negative size"))
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
    let size = check(operation, id, &stat)?;
    Ok(Some(Blob {
        file: file.into(),
        size,
        stamp: stamp_of(root, &stat),
    }))
}
