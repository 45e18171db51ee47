//! The store id: a file in the root, beside the format marker and apart from the blobs.

use std::io::{self, Read as _};
use std::sync::Arc;

use artifact_backend::{Error, ErrorKind, Operation, Result, StoreId};

use super::error::failed;
use super::files::{self, Found, OpenFolder};
use super::root::Root;
use super::staging::Temporary;
use crate::failed_syncs::DiskCall;
use crate::layout::STORE_ID;

const TRIAL: &[u8] = b"trial of artifact-backend-fs\n";

/// Reads the store id, if the root has one.
pub(super) fn read(root: &Root) -> Result<Option<StoreId>> {
    root.check(Operation::ReadStoreId)?;
    find(root, Operation::ReadStoreId)
}

/// Creates the store id unless the root has one. Returns the id that the root then has. `Ok` means
/// durable.
///
/// The id is written to a temporary file, synced, and linked to its name, so the name never holds a
/// part of it. File and folder are synced again if another process linked the name: it may not have
/// synced them yet.
///
/// If the root has an id, a temporary file is written and synced too: a file system that is full or read-only also syncs what is
/// unchanged, and the caller learns whether the root takes writes.
pub(super) fn create(root: &Arc<Root>, new: StoreId) -> Result<StoreId> {
    let operation = Operation::CreateStoreId;
    let fail = |error| failed(operation, None, "create the file of the store id", error);
    root.check(operation)?;
    root.failed_syncs().check(operation, None)?;
    if find(root, operation)?.is_some() {
        try_write(root)?;
    } else {
        let mut temporary = Temporary::new(root, operation, None)?;
        // Its removal is made durable before the link count of the file is.
        let staging = OpenFolder::open(root.staging()).map_err(fail)?;
        let linked = link_new(root, &mut temporary, new);
        let removed = temporary.remove_name();
        linked
            .and(removed)
            .and_then(|()| root.sync(&staging))
            .map_err(fail)?;
    }
    let Some(found) = find(root, operation)? else {
        return Err(Error::new(ErrorKind::Unexpected, operation)
            .with_detail("the file of the store id disappeared right after it was created"));
    };
    // After a failed sync, an id that exists may not be durable. The backend then acknowledges nothing.
    sync(root)
        .map_err(|error| failed(operation, None, "sync the file of the store id", error))
        .and_then(|()| root.confirm(operation, None))
        .map_err(|error| {
            Error::new(ErrorKind::Ambiguous, operation)
                .with_detail("it is not known whether the store id is durable; inspect the disk")
                .with_source(error)
        })?;
    Ok(found)
}

/// Writes and syncs a temporary file.
fn try_write(root: &Arc<Root>) -> Result<()> {
    let operation = Operation::CreateStoreId;
    let mut temporary = Temporary::new(root, operation, None)?;
    let written = temporary.write_all(TRIAL);
    let synced = written
        .and_then(|()| root.track(DiskCall::SyncBytes, || files::sync(temporary.file())))
        .and(temporary.remove_name());
    synced.map_err(|error| failed(operation, None, "write a temporary file", error))
}

/// Writes the id to a temporary file and links it to its name, unless the name exists.
fn link_new(root: &Root, temporary: &mut Temporary, id: StoreId) -> io::Result<()> {
    temporary.write_all(id.to_line().as_bytes())?;
    root.track(DiskCall::SyncBytes, || files::sync(temporary.file()))?;
    let linked = temporary.link(root, &root.folder().join(STORE_ID));
    temporary.unlock();
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn sync(root: &Root) -> io::Result<()> {
    let folder = OpenFolder::open(root.folder())?;
    if let Found::File(file, _) = files::open_to_sync(&root.folder().join(STORE_ID))? {
        root.track(DiskCall::Sync, || files::sync(&file))?;
    }
    root.sync(&folder)
}

/// Reads the id. Returns `None` if the file does not exist.
fn find(root: &Root, operation: Operation) -> Result<Option<StoreId>> {
    let corrupt = |detail| Error::new(ErrorKind::Corrupt, operation).with_detail(detail);
    let fail = |error| failed(operation, None, "read the file of the store id", error);
    let file = match files::open(&root.folder().join(STORE_ID)) {
        Ok(Found::File(file, _)) => file,
        Ok(Found::Foreign) => {
            return Err(corrupt(
                "artifact-store-id in the root is not a file; restore the file from a backup",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    // One byte more than the line has, so that a longer file is noticed.
    let mut line = Vec::with_capacity(StoreId::TEXT_LEN + 2);
    file.take(StoreId::TEXT_LEN as u64 + 2)
        .read_to_end(&mut line)
        .map_err(fail)?;
    StoreId::from_line(&line).map(Some).map_err(|error| {
        corrupt(
            "artifact-store-id in the root does not contain a store id; restore the file from a backup",
        )
        .with_source(error)
    })
}
