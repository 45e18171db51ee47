//! The fan-out folders: created and synced with the root, then opened by name for each operation.
//!
//! They are not held open: 16 descriptors for each root are too many for a process with many roots, and the
//! second component of a path costs less than another system call.

use std::fs::File;
use std::os::fd::BorrowedFd;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::layout::{self, BlobName};
use crate::linux::error::failed;
use crate::linux::failure_record;
use crate::linux::root::{Root, create_folder};
use crate::linux::sys::{self, SysResult};

/// Creates the fan-out folders durably. Opens and syncs those that exist: an earlier attempt may have
/// ended before it synced them.
pub(crate) fn create(root: BorrowedFd<'_>, blobs: BorrowedFd<'_>) -> Result<()> {
    let fail = |errno| failed(Operation::Open, None, "sync a fan-out folder", errno);
    for number in layout::fan_out() {
        let folder = create_folder(blobs, &layout::fan_out_name(number))?;
        failure_record::sync(root, folder).map_err(fail)?;
    }
    failure_record::sync(root, blobs).map_err(fail)
}

/// Rejects a root that has lost a fan-out folder.
pub(crate) fn check(blobs: BorrowedFd<'_>) -> Result<()> {
    for number in layout::fan_out() {
        match is_folder(blobs, &layout::fan_out_name(number)) {
            Ok(true) => {}
            Ok(false) | Err(Errno::NOENT) => return Err(lost(Operation::Open)),
            Err(errno) => {
                let action = "inspect a fan-out folder";
                return Err(failed(Operation::Open, None, action, errno));
            }
        }
    }
    Ok(())
}

impl Root {
    /// Opens a new descriptor of a fan-out folder.
    pub(crate) fn open_fan_out(&self, number: u8) -> SysResult<File> {
        sys::open_folder(self.blobs(), &layout::fan_out_name(number)).map(File::from)
    }

    /// Returns the error for a fan-out folder that could not be opened.
    pub(crate) fn no_fan_out(&self, operation: Operation, errno: Errno) -> Error {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV => self
                .check_alive(operation)
                .err()
                .unwrap_or_else(|| lost(operation)),
            errno => failed(operation, None, "open a fan-out folder", errno),
        }
    }

    /// Returns an error if the fan-out folder of a blob was removed. Without it, an absent name does not
    /// mean that the blob is absent.
    pub(crate) fn check_fan_out_of(&self, operation: Operation, name: &BlobName) -> Result<()> {
        match is_folder(self.blobs(), name.folder()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.no_fan_out(operation, Errno::NOTDIR)),
            Err(errno) => Err(self.no_fan_out(operation, errno)),
        }
    }
}

/// Returns the error for a fan-out folder that was removed or replaced.
fn lost(operation: Operation) -> Error {
    Error::new(ErrorKind::Misconfigured, operation).with_detail(
        "one of the 16 fan-out folders 0 to f in the folder of blobs is missing, is not a folder, or is on \
         another file system; restore it from a backup and restart",
    )
}

fn is_folder(folder: BorrowedFd<'_>, name: &str) -> SysResult<bool> {
    let stat = sys::stat_name(folder, name)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}
