//! Publishes a temporary file as a blob: the syncs and the link, in the only order that keeps the
//! contract.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::fs::{Mode, Stat};
use rustix::io::Errno;

use crate::failed_syncs::{Blocks, DiskCall, Overlap};
use crate::layout::{self, BlobName};
use crate::linux::blob;
use crate::linux::error::{failed, not_linked, with_kind};
use crate::linux::root::Root;
use crate::linux::shared::Shared;
use crate::linux::staging::{Temporary, same_file};
use crate::linux::sys;

/// Publishes a temporary file of `size` bytes as the blob `id`. `Ok` means durable.
///
/// 1. fsync of the file: the bytes. A failure publishes nothing.
/// 2. linkat(2) to the name: exclusive and atomic in one call.
/// 3. A second fsync of the file, if the file system may not journal the link count. A named
///    temporary first loses its first name durably, so that the count is never wrong.
/// 4. fsync of the folder: the name.
///
/// After a failure of step 3 or 4 the name exists and may or may not survive a crash: `Ambiguous`.
/// No sync is retried, and any failed sync stops every later acknowledgement.
pub(crate) fn publish(
    shared: &Shared,
    mut temporary: Temporary,
    operation: Operation,
    id: ArtifactId,
    size: u64,
) -> Result<()> {
    let root = &shared.root;
    let fail = |action| move |errno| failed(operation, Some(id), action, errno);
    root.failed_syncs().check(operation, Some(id))?;
    // Opened before the link: each open file description gets a failed write-back once.
    let folder = root
        .open_fan_out(layout::fan_out_of(id))
        .map_err(|errno| root.no_fan_out(operation, errno).with_id(id))?;
    let file_stat = prepare(&temporary, operation, id, size)?;
    let places = if temporary.is_named() {
        // Its syncs also write the staging folder.
        None
    } else {
        Places::of(root, &file_stat, &folder).map_err(fail("inspect a fan-out folder"))?
    };
    let blocks = |of: fn(Places) -> Blocks| places.map_or(Blocks::Any, of);
    let sync = || sys::fsync(temporary.file());
    root.track_in(DiskCall::SyncBytes, blocks(Places::file), sync)
        .map_err(fail("sync the bytes"))?;

    let name = BlobName::of(id);
    let ambiguous =
        |action| move |errno| with_kind(ErrorKind::Ambiguous, operation, Some(id), action, errno);
    // No store puts a blob into `blobs/` itself. So a blob that is not there now, and is stored, is in
    // its fan-out folder, where the link fails.
    if root.is_migrating()
        && sys::exists(root.blobs(), name.as_str()).map_err(fail("look for the id"))?
    {
        return Err(already_exists(shared, &folder, operation, id));
    }
    match temporary.link(root, folder.as_fd(), name.as_str()) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            // A network file system may have made the link, lost the reply, and sent it again.
            let linked = same_file(temporary.file(), folder.as_fd(), name.as_str());
            if linked != Ok(true) {
                return Err(already_exists(shared, &folder, operation, id));
            }
        }
        // The disk failed, so it is not known whether the name was written.
        Err(errno) if DiskCall::Link.loses_writes(&errno) => {
            return Err(ambiguous("link the blob to its name")(errno));
        }
        Err(errno) => {
            root.check_fan_out_of(operation, &name)?;
            return Err(not_linked(
                operation,
                Some(id),
                "link the blob to its name",
                errno,
            ));
        }
    }

    // The link was made from the descriptor, so it was this file that got the name, whatever is under
    // the name later.
    if !root.journals_links() {
        if temporary.is_named() {
            temporary
                .remove_name()
                .map_err(ambiguous("remove the temporary name"))?;
            root.sync(root.staging())
                .map_err(ambiguous("sync the staging folder"))?;
        }
        // ext4 also writes the folder, because the file has a new name (`ext4_sync_parent`).
        let sync = || sys::fsync(temporary.file());
        root.track_in(DiskCall::Sync, blocks(Places::file_and_folder), sync)
            .map_err(ambiguous("sync the link count of the blob"))?;
    }
    // Read after the link and before the sync: the name is below this size, and the sync writes the size.
    let size = sys::stat(&folder).map_or(u64::MAX, |stat| stat.st_size.unsigned_abs());
    let file_synced = root.failed_syncs().next_ticket();
    root.track_in(DiskCall::Sync, blocks(Places::folder), || {
        sys::fsync(&folder)
    })
    .map_err(ambiguous("sync the name of the blob"))?;
    let durable_size = root.durable_size(layout::fan_out_of(id));
    let grown = size != durable_size.load(Ordering::Acquire);
    let overlap = places.map_or(Overlap::All, |places| places.overlap(file_synced, grown));
    if root.confirm(operation, Some(id), &overlap).is_err() {
        // Another operation got a sync error meanwhile, which may have been about this blob.
        return Err(ambiguous("sync the name of the blob")(Errno::IO));
    }
    if grown {
        durable_size.store(size, Ordering::Release);
    }
    // The blob is whole and durable. If the name cannot be removed, a sweep removes it later.
    let _ = temporary.remove_name();
    Ok(())
}

/// Where the inodes of an unnamed file and of its folder are, on a file system with an inode table.
#[derive(Debug, Clone, Copy)]
struct Places {
    file: u64,
    folder: u64,
    folder_number: u64,
}

impl Places {
    fn of(root: &Root, file: &Stat, folder: &File) -> sys::SysResult<Option<Self>> {
        let Some(file) = root.inode_block(file) else {
            return Ok(None);
        };
        let folder = sys::stat(folder)?;
        Ok(root.inode_block(&folder).map(|block| Self {
            file,
            folder: block,
            folder_number: folder.st_ino,
        }))
    }

    /// Returns what the first sync of the file may write.
    fn file(self) -> Blocks {
        Blocks::Of {
            inodes: [self.file; 2],
            names: None,
        }
    }

    /// Returns what the sync of the link count may write.
    fn file_and_folder(self) -> Blocks {
        Blocks::Of {
            inodes: [self.file, self.folder],
            names: Some(self.folder_number),
        }
    }

    /// Returns what the sync of the folder may write.
    fn folder(self) -> Blocks {
        Blocks::Of {
            inodes: [self.folder; 2],
            names: Some(self.folder_number),
        }
    }

    fn overlap(self, file_synced: u64, grown: bool) -> Overlap {
        Overlap::Store {
            file_synced,
            file: self.file,
            folder: self.folder_number,
            grown: grown.then_some(self.folder),
        }
    }
}

/// Checks that only this process has changed the file, and gives it the mode of a blob.
///
/// Returns the attributes of the file.
fn prepare(temporary: &Temporary, operation: Operation, id: ArtifactId, size: u64) -> Result<Stat> {
    let fail = |action| move |errno| failed(operation, Some(id), action, errno);
    let stat = sys::stat(temporary.file()).map_err(fail("inspect the temporary file"))?;
    if u64::try_from(stat.st_size) != Ok(size) {
        let detail = "another process changed the temporary file; check who can write to the root";
        return Err(Error::new(ErrorKind::Corrupt, operation)
            .with_id(id)
            .with_detail(detail));
    }
    if stat.st_mode & 0o7777 != blob::BLOB_MODE {
        let mode = Mode::from_raw_mode(blob::BLOB_MODE);
        let changed = sys::retry(|| rustix::fs::fchmod(temporary.file(), mode));
        if stat.st_mode & blob::BLOB_MODE == 0 {
            // A umask has removed the owner's permission, without which nothing could read the blob.
            changed.map_err(fail("set the mode of the blob"))?;
        }
        // Otherwise the file system has modes of its own, about which opening the root has warned.
    }
    Ok(stat)
}

/// Returns the error for a name that is taken. It must be as durable as the blob that it reports, so
/// blob and folder are synced first: the process that made the name may not have synced them yet.
fn already_exists(shared: &Shared, folder: &File, operation: Operation, id: ArtifactId) -> Error {
    let root = &shared.root;
    let migrating = root.is_migrating();
    if let Err(error) = blob::stat(root, operation, id)
        && error.kind() == ErrorKind::Corrupt
    {
        // A foreign file has the name, so no blob has this id.
        return error;
    }
    let mut synced = Ok(());
    if !root.journals_links() {
        synced = blob::open_file(root, &BlobName::of(id)).and_then(|file| root.sync(file));
        if synced == Err(Errno::NOENT) {
            // Deleted meanwhile. It did exist, which is all that the error says.
            synced = Ok(());
        }
    }
    if migrating {
        // The blob may be in `blobs/`. If it moves meanwhile, the migration syncs its fan-out folder
        // before it removes the old name.
        let flat = root.open_blobs();
        synced = synced.and_then(|()| root.sync(&flat?));
    }
    if let Err(errno) = synced.and_then(|()| root.sync(folder)) {
        let action = "sync the blob that has this id";
        return with_kind(ErrorKind::Unexpected, operation, Some(id), action, errno);
    }
    // The publisher of the name may be about to report that its sync failed.
    root.failed_syncs().wait_for_results(&Overlap::All);
    match root.confirm(operation, Some(id), &Overlap::All) {
        Ok(()) => Error::new(ErrorKind::AlreadyExists, operation).with_id(id),
        Err(error) => error,
    }
}
