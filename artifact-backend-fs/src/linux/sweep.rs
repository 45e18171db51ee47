//! Removes what crashed or dropped stores left in `staging/`. Unnamed temporary files leave nothing.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use artifact_backend::{Clock, Operation, Result, SweepReport, SystemClock};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::failed_syncs::DiskCall;
use crate::layout;
use crate::linux::blob::modified;
use crate::linux::error::failed;
use crate::linux::root::Root;
use crate::linux::staging::same_file;
use crate::linux::sys;

/// What happened to one leftover.
enum Outcome {
    /// Removed, with its size in bytes.
    Removed(u64),
    Kept,
    /// Another process removed it first.
    Gone,
}

pub(crate) fn sweep(root: &Root, older_than: Duration) -> Result<SweepReport> {
    root.check_alive(Operation::Sweep)?;
    let fail = |errno| failed(Operation::Sweep, None, "read the staging folder", errno);
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(root.staging()).map_err(fail)? {
        // All names of this backend are ASCII, so any other file is foreign.
        if let Ok(name) = entry.map_err(fail)?.file_name().to_str()
            && name.starts_with("upload-")
        {
            names.push(name.to_owned());
        }
    }
    let mut report = SweepReport::default();
    for name in names {
        match sweep_file(root, &name, older_than) {
            Ok(Outcome::Removed(bytes)) => report.count_removed(bytes),
            Ok(Outcome::Kept) => report.count_kept(),
            Ok(Outcome::Gone) => {}
            Err(errno) => {
                // The error is about this name. The others may be removed all the same.
                let error = std::io::Error::from(errno);
                tracing::warn!(name, %error, "cannot remove a leftover; the next sweep tries again");
                report.count_kept();
            }
        }
    }
    count_repaired(root, &mut report)?;
    Ok(report)
}

/// Counts the files whose torn names e2fsck repaired, in `blobs/` and in every fan-out folder. They are kept:
/// such a file may be whole, and only an operator can find out by its digest which blob it is.
fn count_repaired(root: &Root, report: &mut SweepReport) -> Result<()> {
    count_repaired_in(root.blobs(), report)?;
    for number in layout::fan_out() {
        let folder = root
            .open_fan_out(number)
            .map_err(|errno| root.no_fan_out(Operation::Sweep, errno))?;
        count_repaired_in(folder.as_fd(), report)?;
    }
    Ok(())
}

fn count_repaired_in(folder: BorrowedFd<'_>, report: &mut SweepReport) -> Result<()> {
    let fail = |errno| failed(Operation::Sweep, None, "read the folder of blobs", errno);
    for entry in rustix::fs::Dir::read_from(folder).map_err(fail)? {
        if layout::is_repaired(entry.map_err(fail)?.file_name().to_bytes()) {
            report.count_kept();
        }
    }
    Ok(())
}

fn sweep_file(
    root: &Root,
    name: &str,
    older_than: Duration,
) -> std::result::Result<Outcome, Errno> {
    let flags = OFlags::RDONLY;
    let resolve = ResolveFlags::empty();
    let file = match sys::open_beneath(root.staging(), name, flags, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Outcome::Gone),
        // A foreign symlink, socket or device.
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::XDEV) => return Ok(Outcome::Kept),
        Err(errno) => return Err(errno),
    };
    let stat = sys::stat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Outcome::Kept);
    }
    // A file with a time in the future has age zero.
    let age = SystemClock
        .now()
        .duration_since(modified(&stat))
        .unwrap_or_default();
    // The process that uses the file holds its exclusive lock. Two sweeps may both get the shared one:
    // then the name is gone for the second.
    if age < older_than || !sys::try_lock_shared(&file)? {
        return Ok(Outcome::Kept);
    }
    match same_file(&file, root.staging(), name) {
        Ok(true) => {}
        Ok(false) => return Ok(Outcome::Kept),
        Err(Errno::NOENT) => return Ok(Outcome::Gone),
        Err(errno) => return Err(errno),
    }
    match root.track(DiskCall::ChangeName, || sys::unlink(root.staging(), name)) {
        Ok(()) => Ok(Outcome::Removed(u64::try_from(stat.st_size).unwrap_or(0))),
        Err(Errno::NOENT) => Ok(Outcome::Gone),
        Err(errno) => Err(errno),
    }
}
