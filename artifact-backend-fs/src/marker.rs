//! The format marker: the file in the root with the backend's name and the layout version.

use std::os::fd::{AsFd, BorrowedFd};

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{failed, misconfigured, not_linked};
use crate::layout::{MARKER, VERSION, staging_name};
use crate::{failure_record, sys};

/// More bytes than the marker of any version has.
const MAX_BYTES: usize = 256;

/// Checks the marker. Returns `false` if it does not exist.
///
/// # Errors
///
/// `Misconfigured` if it names another layout or is not a file.
pub(crate) fn check(root: BorrowedFd<'_>) -> Result<bool> {
    let fail = |errno| failed(Operation::Open, None, "read the format marker", errno);
    let flags = OFlags::RDONLY;
    let file = match sys::open_beneath(root, MARKER, flags, Mode::empty(), ResolveFlags::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(false),
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
    match &text[..length] {
        found if found == VERSION.as_bytes() => Ok(true),
        found if found.starts_with(b"artifact-backend-fs ") => Err(misconfigured(
            "the root has the layout of another version of artifact-backend-fs; use that version, or \
             copy the blobs to a new root",
        )),
        _ => Err(misconfigured(
            "the format marker was not written by artifact-backend-fs",
        )),
    }
}

/// Creates the marker atomically and durably. If another process creates it first, that marker is
/// checked.
pub(crate) fn create(root: BorrowedFd<'_>, staging: BorrowedFd<'_>) -> Result<()> {
    let fail = |errno| failed(Operation::Open, None, "create the format marker", errno);
    let name = staging_name();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
    let file = sys::open_beneath(staging, &name, flags, Mode::RUSR, ResolveFlags::empty())
        .map_err(fail)?;
    // The lock keeps a sweep of another process from removing the file. Without locks no sweep could.
    let _ = sys::try_lock(&file);
    // A umask may have removed the owner's permission. A file system without modes refuses the change.
    let _ = sys::retry(|| rustix::fs::fchmod(&file, Mode::RUSR));
    let made = sys::write_all(file.as_fd(), VERSION.as_bytes())
        .and_then(|()| failure_record::sync(root, &file))
        .map_err(fail)
        .and_then(|()| match sys::link(file.as_fd(), root, MARKER) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => {
                let action = "create the format marker";
                Err(not_linked(Operation::Open, None, action, errno))
            }
        });
    // The temporary file is not needed any more, even after an error.
    let removed = match sys::unlink(staging, &name) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    };
    made?;
    removed
        .and_then(|()| failure_record::sync(root, root))
        .map_err(fail)?;
    if check(root)? {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Unexpected, Operation::Open)
            .with_detail("the format marker disappeared right after it was created"))
    }
}
