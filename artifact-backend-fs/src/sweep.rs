//! Removing what crashed or dropped stores left in `staging/`. Unnamed temporaries leave nothing, but
//! where a file system without a journal lost its power, a repair may leave a name that is none.

use std::time::Duration;

use artifact_backend::{Clock, Operation, Result, SweepReport, SystemClock};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::failed;
use crate::layout;
use crate::load::modified;
use crate::root::Root;
use crate::staging::same_file;
use crate::sys;

/// What became of one name.
enum Found {
    Removed(u64),
    Kept,
    /// It went by itself.
    Gone,
}

pub(crate) fn sweep(root: &Root, older_than: Duration) -> Result<SweepReport> {
    root.check_alive(Operation::Sweep)?;
    let fail = |errno| failed(Operation::Sweep, None, "read the staging folder", errno);
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(root.staging()).map_err(fail)? {
        // Our own names are ASCII; what else lies here is not a leftover of ours.
        if let Ok(name) = entry.map_err(fail)?.file_name().to_str()
            && name.starts_with("upload-")
        {
            names.push(name.to_owned());
        }
    }
    let mut report = SweepReport::default();
    for name in names {
        let fail = |errno| failed(Operation::Sweep, None, "remove a leftover", errno);
        match one(root, &name, older_than).map_err(fail)? {
            Found::Removed(bytes) => report.count_removed(bytes),
            Found::Kept => report.count_kept(),
            Found::Gone => {}
        }
    }
    count_mended(root, &mut report)?;
    Ok(report)
}

/// Counts the names in `blobs/` that a file system's repair made of torn ones, and lets them be: what
/// has such a name may be a whole file, and only somebody who knows its digest can tell whose.
fn count_mended(root: &Root, report: &mut SweepReport) -> Result<()> {
    let fail = |errno| failed(Operation::Sweep, None, "read the folder of blobs", errno);
    for entry in rustix::fs::Dir::read_from(root.blobs()).map_err(fail)? {
        if layout::is_mended(entry.map_err(fail)?.file_name().to_bytes()) {
            report.count_kept();
        }
    }
    Ok(())
}

fn one(root: &Root, name: &str, older_than: Duration) -> std::result::Result<Found, Errno> {
    let flags = OFlags::RDONLY;
    let resolve = ResolveFlags::empty();
    let file = match sys::open_beneath(root.staging(), name, flags, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Found::Gone),
        // A symlink, a socket or a device of somebody else's.
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::XDEV) => return Ok(Found::Kept),
        Err(errno) => return Err(errno),
    };
    let stat = sys::stat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Found::Kept);
    }
    // A file from the future is as young as can be.
    let age = SystemClock
        .now()
        .duration_since(modified(&stat))
        .unwrap_or_default();
    // Its owner holds the lock as long as it is in use, whichever process that is.
    if age < older_than || !sys::try_lock(&file)? {
        return Ok(Found::Kept);
    }
    match same_file(&file, root.staging(), name) {
        Ok(true) => {}
        Ok(false) => return Ok(Found::Kept),
        Err(Errno::NOENT) => return Ok(Found::Gone),
        Err(errno) => return Err(errno),
    }
    match sys::unlink(root.staging(), name) {
        Ok(()) => Ok(Found::Removed(u64::try_from(stat.st_size).unwrap_or(0))),
        Err(Errno::NOENT) => Ok(Found::Gone),
        Err(errno) => Err(errno),
    }
}
