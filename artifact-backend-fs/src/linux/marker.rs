//! The format marker: the file in the root with the backend's name and the layout version.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use artifact_backend::{Operation, Result};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::layout::{MARKER, staging_name};
use crate::linux::error::{failed, misconfigured, not_linked};
use crate::linux::sys::SysResult;
use crate::linux::{failure_record, sys};
use crate::version::{MAX_BYTES, Version};

/// Reads the marker. Returns `None` if it does not exist.
///
/// # Errors
///
/// `Misconfigured` if it names another layout or is not a file.
pub(crate) fn read(root: BorrowedFd<'_>) -> Result<Option<Version>> {
    let fail = |errno| failed(Operation::Open, None, "read the format marker", errno);
    let flags = OFlags::RDONLY;
    let file = match sys::open_beneath(root, MARKER, flags, Mode::empty(), ResolveFlags::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(misconfigured("the format marker is a symlink")),
        Err(errno) => return Err(fail(errno)),
    };
    let stat = sys::stat(&file).map_err(fail)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(misconfigured("the format marker is not a file"));
    }
    let mut text = [0; MAX_BYTES];
    let mut length = 0;
    while length < text.len() {
        match sys::retry(|| rustix::io::read(&file, &mut text[length..])).map_err(fail)? {
            0 => break,
            read => length += read,
        }
    }
    Version::parse(&text[..length]).map(Some)
}

/// Creates the marker of a new root atomically and durably. If another process creates it first, that
/// marker stays.
pub(crate) fn create(root: BorrowedFd<'_>, staging: BorrowedFd<'_>) -> Result<()> {
    let fail = |errno| failed(Operation::Open, None, "create the format marker", errno);
    let (file, name) = write(root, staging, Version::FanOut).map_err(fail)?;
    let linked = match sys::link(file.as_fd(), root, MARKER) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => {
            let action = "create the format marker";
            Err(not_linked(Operation::Open, None, action, errno))
        }
    };
    // The temporary file is not needed any more, even after an error.
    let removed = remove(staging, &name);
    linked?;
    removed
        .and_then(|()| failure_record::sync(root, root))
        .map_err(fail)
}

/// Replaces the marker atomically and durably.
///
/// The old marker keeps another name until the new one is durable. Otherwise ext4 without a journal may
/// write that the old file is free before it writes the name of the new one, and a power cut in between
/// leaves the root without a marker.
pub(crate) fn replace(
    root: BorrowedFd<'_>,
    staging: BorrowedFd<'_>,
    version: Version,
) -> SysResult<()> {
    let (_new, name) = write(root, staging, version)?;
    let replaced = keep_old(root, staging).and_then(|(_old, kept)| {
        sys::rename(staging, &name, root, MARKER)?;
        failure_record::sync(root, root)?;
        remove(staging, &kept)
    });
    // After an error a sweep removes the names that are left: it may not be known which are needed.
    replaced.and_then(|()| failure_record::sync(root, staging))
}

/// Gives the marker another name, and returns the file with this name. Its lock keeps a sweep of another
/// process from removing it.
fn keep_old(root: BorrowedFd<'_>, staging: BorrowedFd<'_>) -> SysResult<(OwnedFd, String)> {
    let flags = OFlags::RDONLY;
    let old = sys::open_beneath(root, MARKER, flags, Mode::empty(), ResolveFlags::empty())?;
    // Without locks no sweep could remove it.
    let _ = sys::try_lock(&old);
    let name = staging_name();
    sys::link_name(root, MARKER, staging, &name)?;
    Ok((old, name))
}

/// Writes a marker to a temporary file, syncs it, and returns it with its name. Its lock keeps a sweep of
/// another process from removing it.
fn write(
    root: BorrowedFd<'_>,
    staging: BorrowedFd<'_>,
    version: Version,
) -> SysResult<(OwnedFd, String)> {
    let name = staging_name();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
    let file = sys::open_beneath(staging, &name, flags, Mode::RUSR, ResolveFlags::empty())?;
    // The lock keeps a sweep of another process from removing the file. Without locks no sweep could.
    let _ = sys::try_lock(&file);
    // A umask may have removed the owner's permission. A file system without modes refuses the change.
    let _ = sys::retry(|| rustix::fs::fchmod(&file, Mode::RUSR));
    let written = sys::write_all(file.as_fd(), version.text().as_bytes())
        .and_then(|()| failure_record::sync(root, &file));
    match written {
        Ok(()) => Ok((file, name)),
        Err(errno) => {
            let _ = remove(staging, &name);
            Err(errno)
        }
    }
}

fn remove(staging: BorrowedFd<'_>, name: &str) -> SysResult<()> {
    match sys::unlink(staging, name) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}
