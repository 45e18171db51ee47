//! Removes what crashed or dropped stores left in `staging/`.

use std::ffi::OsStr;
use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::time::Duration;

use artifact_backend::{Clock as _, Operation, Result, SweepReport, SystemClock};

use super::blob::modified;
use super::error::failed;
use super::files::{self, Found};
use super::layout;
use super::root::Root;
use crate::failed_syncs::DiskCall;
use crate::layout::{fan_out, is_repaired};

/// What happened to one leftover.
enum Outcome {
    /// Removed, with its size in bytes.
    Removed(u64),
    Kept,
    /// Another process removed it first.
    Gone,
}

pub(super) fn sweep(root: &Root, older_than: Duration) -> Result<SweepReport> {
    let fail = |action| move |error| failed(Operation::Sweep, None, action, error);
    root.check(Operation::Sweep)?;
    let mut report = SweepReport::default();
    let names = layout::names(root.staging()).map_err(fail("read the staging folder"))?;
    // Any other file is foreign.
    let ours = |name: &&_| OsStr::as_encoded_bytes(name).starts_with(b"upload-");
    for name in names.iter().map(AsRef::as_ref).filter(ours) {
        match sweep_file(root, &root.staging().join(name), older_than) {
            Ok(Outcome::Removed(bytes)) => report.count_removed(bytes),
            Ok(Outcome::Kept) => report.count_kept(),
            Ok(Outcome::Gone) => {}
            Err(error) => {
                // The error is about this name. The others may be removed all the same.
                let name = name.display();
                tracing::warn!(%name, %error, "cannot remove a leftover; the next sweep tries again");
                report.count_kept();
            }
        }
    }
    for number in fan_out() {
        root.check_fan_out(Operation::Sweep, number)?;
        let names =
            layout::names(&root.fan_out(number)).map_err(fail("read the folder of blobs"))?;
        for _ in names
            .iter()
            .filter(|name| is_repaired(name.as_encoded_bytes()))
        {
            report.count_kept();
        }
    }
    Ok(report)
}

fn sweep_file(root: &Root, path: &Path, older_than: Duration) -> io::Result<Outcome> {
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let (file, metadata) = match files::open(path) {
        Ok(Found::File(file, metadata)) => (file, metadata),
        Ok(Found::Foreign) => return Ok(Outcome::Kept),
        Err(error) if is_gone(&error) => return Ok(Outcome::Gone),
        Err(error) => return Err(error),
    };
    // A file with a time in the future has age zero.
    let age = SystemClock
        .now()
        .duration_since(modified(&metadata))
        .unwrap_or_default();
    if age < older_than {
        return Ok(Outcome::Kept);
    }
    // The process that uses the file holds its exclusive lock. Two sweeps may both get the shared one:
    // then the name is gone for the second.
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Outcome::Kept),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match files::inspect(path) {
        Ok(named) if files::is_same(&named, &metadata) != Some(false) => {}
        Ok(_) => return Ok(Outcome::Kept),
        Err(error) if is_gone(&error) => return Ok(Outcome::Gone),
        Err(error) => return Err(error),
    }
    match root.track(DiskCall::ChangeName, || files::remove(path)) {
        Ok(()) => Ok(Outcome::Removed(metadata.len())),
        Err(error) if is_gone(&error) => Ok(Outcome::Gone),
        Err(error) => Err(error),
    }
}
