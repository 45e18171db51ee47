//! Publishes a temporary file as a blob: the syncs and the link, in the only order that keeps the
//! contract.

use std::io;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};

use super::blob;
use super::error::{failed, not_linked, with_kind};
use super::files::{self, Found, OpenFolder};
use super::root::Root;
use super::staging::Temporary;
use crate::failed_syncs::{DiskCall, Overlap};
use crate::layout::fan_out_of;

/// Publishes a temporary file of `size` bytes as the blob `id`. `Ok` means durable.
///
/// 1. Sync of the file: the bytes. A failure publishes nothing.
/// 2. Hard link to the name: exclusive and atomic in one call.
/// 3. Removal of the temporary name, and sync of its folder, so that the link count is never wrong.
/// 4. A second sync of the file: its link count, because the file system may not have a journal. On Windows,
///    which cannot sync a folder, the last chance for the new name.
/// 5. Sync of the fan-out folder: the name.
///
/// After a failure of step 3, 4 or 5 the name exists and may or may not survive a crash: `Ambiguous`.
/// No sync is retried, and any failed sync stops every later acknowledgement.
pub(super) fn publish(
    root: &Root,
    mut temporary: Temporary,
    operation: Operation,
    id: ArtifactId,
    size: u64,
) -> Result<()> {
    let fail = |action| move |error| failed(operation, Some(id), action, error);
    let ambiguous =
        |action| move |error| with_kind(ErrorKind::Ambiguous, operation, Some(id), action, error);
    let linking = "link the blob to its name";
    root.failed_syncs().check(operation, Some(id))?;
    root.check_for(operation, id)?;
    check_size(&temporary, operation, id, size)?;
    // Opened before the link: each open file description gets a failed write-back once.
    let open = |path: &_| OpenFolder::open(path).map_err(fail("open a folder to sync it"));
    let (folder, staging) = (open(&root.fan_out(fan_out_of(id)))?, open(root.staging())?);
    root.track(DiskCall::SyncBytes, || files::sync(temporary.file()))
        .map_err(fail("sync the bytes"))?;
    let path = root.blob(id);
    match temporary.link(root, &path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(already_exists(root, &folder, operation, id));
        }
        // The disk failed, so it is not known whether the name was written.
        Err(error) if DiskCall::Link.loses_writes(&error) => return Err(ambiguous(linking)(error)),
        Err(error) => {
            root.check_for(operation, id)?;
            if error.kind() == io::ErrorKind::NotFound {
                return Err(replaced(ErrorKind::Unavailable, operation, id));
            }
            return Err(not_linked(operation, Some(id), linking, error));
        }
    }
    temporary.unlock();
    // The link was made from a name, which another process may have given to another file.
    match temporary.is_at(&path) {
        Ok(true) => {}
        Ok(false) => return Err(replaced(ErrorKind::Ambiguous, operation, id)),
        Err(error) => return Err(ambiguous("inspect the blob")(error)),
    }
    temporary
        .remove_name()
        .map_err(ambiguous("remove the temporary name"))?;
    root.sync(&staging)
        .map_err(ambiguous("sync the staging folder"))?;
    root.track(DiskCall::Sync, || files::sync(temporary.file()))
        .map_err(ambiguous("sync the link count of the blob"))?;
    root.sync(&folder)
        .map_err(ambiguous("sync the name of the blob"))?;
    root.confirm(operation, Some(id))
        .and_then(|()| root.check_for(operation, id))
        .map_err(|error| {
            Error::new(ErrorKind::Ambiguous, operation)
                .with_id(id)
                .with_detail("it is not known whether the blob is durable")
                .with_source(error)
        })
}

fn replaced(kind: ErrorKind, operation: Operation, id: ArtifactId) -> Error {
    Error::new(kind, operation).with_id(id).with_detail(
        "another process removed or replaced the temporary file or the blob; check who can write to the root",
    )
}

/// Checks that only this process has changed the file.
fn check_size(
    temporary: &Temporary,
    operation: Operation,
    id: ArtifactId,
    size: u64,
) -> Result<()> {
    let found = files::retry(|| temporary.file().metadata())
        .map_err(|error| failed(operation, Some(id), "inspect the temporary file", error))?;
    if found.len() == size {
        return Ok(());
    }
    let detail = "another process changed the temporary file; check who can write to the root";
    Err(Error::new(ErrorKind::Corrupt, operation)
        .with_id(id)
        .with_detail(detail))
}

/// Returns the error for a name that is taken. It must be as durable as the blob that it reports, so
/// blob and folder are synced first: the process that made the name may not have synced them yet.
fn already_exists(root: &Root, folder: &OpenFolder, operation: Operation, id: ArtifactId) -> Error {
    if let Err(error) = blob::stat(root, operation, id)
        && error.kind() == ErrorKind::Corrupt
    {
        // A foreign file has the name, so no blob has this id.
        return error;
    }
    let synced = match files::open_to_sync(&root.blob(id)) {
        Ok(Found::File(file, _)) => root.track(DiskCall::Sync, || files::sync(&file)),
        // Deleted meanwhile. It did exist, which is all that the error says.
        Ok(Found::Foreign) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = synced.and_then(|()| root.sync(folder)) {
        let action = "sync the blob that has this id";
        return with_kind(ErrorKind::Unexpected, operation, Some(id), action, error);
    }
    // The publisher of the name may be about to report that its sync failed.
    root.failed_syncs().wait_for_results(&Overlap::All);
    match root.confirm(operation, Some(id)) {
        Ok(()) => Error::new(ErrorKind::AlreadyExists, operation).with_id(id),
        Err(error) => error,
    }
}
