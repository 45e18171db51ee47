//! The file in the root that says whose folder this is, and in which layout.

use std::os::fd::{AsFd, BorrowedFd};

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{failed, misconfigured};
use crate::layout::{MARKER, VERSION, staging_name};
use crate::sys;

/// More than any version's marker has.
const MOST_BYTES: usize = 256;

/// Reads the marker: `false` where there is none.
///
/// # Errors
///
/// `Misconfigured` where it names another layout, or is no file.
pub(crate) fn check(root: BorrowedFd<'_>) -> Result<bool> {
    let fail = |errno| failed(Operation::Open, None, "read the format marker", errno);
    let flags = OFlags::RDONLY;
    let file = match sys::open_beneath(root, MARKER, flags, Mode::empty(), ResolveFlags::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::LOOP) => return Err(misconfigured("its format marker is a symlink")),
        Err(errno) => return Err(fail(errno)),
    };
    let stat = sys::stat(&file).map_err(fail)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(misconfigured("its format marker is not a file"));
    }
    let mut text = [0; MOST_BYTES];
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
            "its blobs are laid out by another version of artifact-backend-fs; use that version, or \
             copy the blobs over",
        )),
        _ => Err(misconfigured(
            "its format marker is not one of artifact-backend-fs",
        )),
    }
}

/// Makes the marker, durable and at once whole. Another process may do the same: the first wins,
/// and what it wrote is then checked.
pub(crate) fn create(root: BorrowedFd<'_>, staging: BorrowedFd<'_>) -> Result<()> {
    let fail = |errno| failed(Operation::Open, None, "make the format marker", errno);
    let name = staging_name();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
    let file = sys::open_beneath(staging, &name, flags, Mode::RUSR, ResolveFlags::empty())
        .map_err(fail)?;
    // A sweep of another process leaves alone what is locked.
    sys::try_lock(&file).map_err(fail)?;
    sys::retry(|| rustix::fs::fchmod(&file, Mode::RUSR)).map_err(fail)?;
    let made = sys::write_all(file.as_fd(), VERSION.as_bytes())
        .and_then(|()| sys::fsync(&file))
        .and_then(|()| match sys::link(file.as_fd(), root, MARKER) {
            Err(Errno::EXIST) => Ok(()),
            linked => linked,
        });
    // Whatever happened, the temporary has done its work.
    let removed = match sys::unlink(staging, &name) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    };
    made.and(removed)
        .and_then(|()| sys::fsync(root))
        .map_err(fail)?;
    if check(root)? {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Unexpected, Operation::Open)
            .with_detail("the format marker is gone right after it was made"))
    }
}
