//! Stores one trial blob when the root is opened, as the Linux profile does.

use std::fs::TryLockError;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use artifact_backend::{Error, Operation, Result};

use super::error::{failed, not_linked};
use super::failure_record;
use super::files::{self, Found, OpenFolder};
use crate::error::misconfigured;
use crate::failed_syncs::DiskCall;
use crate::layout::staging_name;

const BYTES: &[u8] = b"trial blob of artifact-backend-fs\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Lock,
    Write,
    Sync,
    Link,
    SyncFolder,
    Read,
    Compare,
    Remove,
}

struct Failure(Step, io::Error);

/// Stores, reads and deletes a trial blob in the staging folder. Returns the user who owns it, on Unix.
///
/// A full or read-only file system ends the trial without a verdict, because its blobs can still be read.
///
/// # Errors
///
/// `Misconfigured` if the file system cannot make a hard link, sync a folder or lock a file, or does
/// not return what was written. Otherwise the error of the operating system.
pub(super) fn run(root: &Path, staging: &Path) -> Result<Option<u32>> {
    let (temporary, published) = (staging.join(staging_name()), staging.join(staging_name()));
    let mut outcome = publish(staging, &temporary, &published);
    // Whatever happened, both names are removed. What cannot be removed is a leftover.
    for name in [&temporary, &published] {
        match files::remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound && outcome.is_ok() => {
                outcome = Err(Failure(Step::Remove, error));
            }
            _ => {}
        }
    }
    match outcome {
        Ok(user) => Ok(user),
        Err(Failure(step, error)) => {
            let is_sync = matches!(step, Step::Sync | Step::SyncFolder);
            let no_room = matches!(
                error.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::ReadOnlyFilesystem
            );
            if no_room && !is_sync {
                return Ok(None);
            }
            if is_sync && DiskCall::ChangeName.loses_writes(&error) {
                failure_record::create(root, &error);
            }
            Err(Failure(step, error).into_error())
        }
    }
}

fn publish(staging: &Path, temporary: &Path, published: &Path) -> Result<Option<u32>, Failure> {
    let step = |step: Step| move |error| Failure(step, error);
    let folder = OpenFolder::open(staging).map_err(step(Step::Create))?;
    let mut file = files::create(temporary).map_err(step(Step::Create))?;
    match file.try_lock() {
        // A sweep may have locked it.
        Ok(()) | Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(Failure(Step::Lock, error)),
    }
    file.write_all(BYTES).map_err(step(Step::Write))?;
    files::sync(&file).map_err(step(Step::Sync))?;
    files::link(temporary, published).map_err(step(Step::Link))?;
    folder.sync().map_err(step(Step::SyncFolder))?;
    // Windows lets only the owner of a lock read the file.
    drop(file);
    let different = || Failure(Step::Compare, io::ErrorKind::InvalidData.into());
    let Found::File(found, metadata) = files::open(published).map_err(step(Step::Read))? else {
        return Err(different());
    };
    let mut bytes = Vec::with_capacity(BYTES.len() + 1);
    found
        .take(BYTES.len() as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(step(Step::Read))?;
    if bytes != BYTES {
        return Err(different());
    }
    let Some((owner, mode)) = files::owner_and_mode(&metadata) else {
        return Ok(None);
    };
    if mode & 0o077 != 0 {
        tracing::warn!(
            mode = format_args!("{:04o}", mode & 0o7777),
            "the file system of the root does not keep the mode of a file: other users may be able to read \
             blobs unless the path to the root is closed to them"
        );
    }
    Ok(Some(owner))
}

impl Failure {
    fn into_error(self) -> Error {
        let Self(step, error) = self;
        let action = match step {
            Step::Create => "create a trial blob",
            Step::Lock => {
                return misconfigured(
                    "the file system of the root does not support locks, which temporary files need; mount it \
                     with locks, or choose another file system",
                )
                .with_source(error);
            }
            Step::Write => "write a trial blob",
            Step::Sync => "sync a trial blob",
            Step::Link => {
                let action = "link a trial blob to its name";
                return not_linked(Operation::Open, None, action, error);
            }
            Step::SyncFolder => {
                let kind = error.kind();
                if matches!(
                    kind,
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) {
                    return misconfigured(
                        "the file system of the root cannot sync a folder, so a power cut could lose \
                         acknowledged blobs; choose another file system",
                    )
                    .with_source(error);
                }
                "sync the folder of a trial blob"
            }
            Step::Read => "read a trial blob",
            Step::Compare => {
                return misconfigured(
                    "a trial blob was read back with other bytes than were written; check the file \
                     system of the root",
                );
            }
            Step::Remove => "remove a trial blob",
        };
        failed(Operation::Open, None, action, error)
    }
}
