//! Moves the blobs of layout version 1 from `blobs/` to their fan-out folders while the backend serves.
//!
//! A blob is linked to its new name, the fan-out folder is synced, and then the old name is removed. A
//! rename(2) would not do: ext4 without a journal writes the two folders one after the other, and a power
//! cut in between can leave the blob without a name. So in every crash state a blob has at least one name,
//! and the next migration removes the second.
//!
//! Blobs only move in this direction, and no store puts a blob into `blobs/` itself. Readers therefore look
//! into the fan-out folder, then into `blobs/`, then into the fan-out folder again. When `blobs/` contains no
//! blob, its sync and the new marker end the migration, and the second look.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError, Weak};

use artifact_backend::{ArtifactId, Operation, Result};
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

use crate::failed_syncs::{DiskCall, Overlap};
use crate::layout::{self, BlobName};
use crate::linux::error::failed;
use crate::linux::shared::Shared;
use crate::linux::sys::{self, SysResult};

/// The number of names that are read at once: 1 MiB of memory, and about 256 blobs for each sync of a
/// fan-out folder.
const BATCH: usize = 1 << 16;

/// Migrates the root until `blobs/` contains no blob, the backend is dropped, or an error occurs.
///
/// The error occurs again when the root is opened the next time, or in [`run`].
pub(crate) async fn run_in_background(shared: Weak<Shared>) {
    let mut pass = None;
    while let Some(shared) = shared.upgrade() {
        pass = match step(&shared, pass).await {
            Ok(Some(pass)) => Some(pass),
            Ok(None) | Err(_) => return,
        };
    }
}

/// Migrates the root until `blobs/` contains no blob. Returns at once if it has none.
pub(crate) async fn run(shared: &Arc<Shared>) -> Result<()> {
    let mut pass = step(shared, None).await?;
    while pass.is_some() {
        pass = step(shared, pass).await?;
    }
    Ok(())
}

/// One pass over the names in `blobs/`.
struct Pass {
    names: Dir,
    moved: usize,
}

/// Moves one batch of blobs. Returns `None` after the migration has ended.
async fn step(shared: &Arc<Shared>, pass: Option<Pass>) -> Result<Option<Pass>> {
    if !shared.root.is_migrating() {
        return Ok(None);
    }
    let task_shared = Arc::clone(shared);
    let read = move || read_batch(&task_shared, pass);
    let (mut pass, ids) = shared.writes.run(Operation::Open, read).await?;
    let last = ids.len() < BATCH;
    for ids in ids.chunk_by(|a, b| layout::fan_out_of(*a) == layout::fan_out_of(*b)) {
        let (task_shared, ids) = (Arc::clone(shared), ids.to_vec());
        let work = move || move_blobs(&task_shared, &ids);
        pass.moved += shared.writes.run(Operation::Open, work).await?;
    }
    if !last {
        return Ok(Some(pass));
    }
    if pass.moved > 0 {
        // A second pass shows that nothing is left.
        return Box::pin(step(shared, None)).await;
    }
    let task_shared = Arc::clone(shared);
    shared
        .writes
        .run(Operation::Open, move || end(&task_shared))
        .await?;
    Ok(None)
}

/// Reads the next ids, sorted by fan-out folder.
fn read_batch(shared: &Shared, pass: Option<Pass>) -> Result<(Pass, Vec<ArtifactId>)> {
    let fail = |errno| failed(Operation::Open, None, "read the folder of blobs", errno);
    let mut pass = match pass {
        Some(pass) => pass,
        None => Pass {
            names: Dir::read_from(shared.root.blobs()).map_err(fail)?,
            moved: 0,
        },
    };
    let mut ids = Vec::new();
    while ids.len() < BATCH {
        let Some(entry) = pass.names.next() else {
            break;
        };
        if let Ok(id) = ArtifactId::from_ascii(entry.map_err(fail)?.file_name().to_bytes()) {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    Ok((pass, ids))
}

/// Moves blobs of one fan-out folder. Returns how many have left `blobs/`.
fn move_blobs(shared: &Shared, ids: &[ArtifactId]) -> Result<usize> {
    let (Some(first), root) = (ids.first(), &shared.root) else {
        return Ok(0);
    };
    root.failed_syncs().check(Operation::Open, None)?;
    let folder = root
        .open_fan_out(layout::fan_out_of(*first))
        .map_err(|errno| root.no_fan_out(Operation::Open, errno))?;
    let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
    let mut moved = 0;
    {
        let _deletes_wait = shared.moving.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            let name = BlobName::of(*id);
            moved += usize::from(
                root.track(DiskCall::ChangeName, || {
                    add_name(root.blobs(), folder.as_fd(), name.as_str())
                })
                .map_err(fail("link a blob to its name in the fan-out folder"))?,
            );
        }
    }
    root.sync(&folder).map_err(fail("sync a fan-out folder"))?;
    // Another operation may have got the sync error of these names. Until it is known that none did, the
    // old names stay.
    root.confirm(Operation::Open, None, &Overlap::All)?;
    for id in ids {
        let name = BlobName::of(*id);
        moved += usize::from(
            root.track(DiskCall::ChangeName, || {
                remove_name(root.blobs(), folder.as_fd(), name.as_str())
            })
            .map_err(fail("remove the name of a blob of layout version 1"))?,
        );
    }
    Ok(moved)
}

/// Gives a blob its name in the fan-out folder. A foreign file that is not a regular file is only moved, so
/// that a load reports it as before. Returns whether it was.
fn add_name(blobs: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &str) -> SysResult<bool> {
    let stat = match sys::stat_name(blobs, name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        if sys::exists(folder, name)? {
            return Ok(false);
        }
        return match sys::rename(blobs, name, folder, name) {
            Ok(()) => Ok(true),
            // A mount over the name, which stays where it is.
            Err(Errno::BUSY | Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        };
    }
    match sys::link_name(blobs, name, folder, name) {
        // Another process migrates too or was killed while it did, or the blob was deleted.
        Ok(()) | Err(Errno::EXIST | Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Removes the old name of a blob if the file has its new name too. Returns whether it did.
///
/// A damaged file system may show two names of a file and count one. Then the old name stays, because its
/// removal would free the file. A file that is not the one in the fan-out folder is foreign.
fn remove_name(blobs: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &str) -> SysResult<bool> {
    let look = |folder| match sys::stat_name_synced(folder, name) {
        Err(Errno::NOENT) => Ok(None),
        found => found.map(Some),
    };
    let (Some(old), Some(new)) = (look(blobs)?, look(folder)?) else {
        return Ok(false);
    };
    if old.file != new.file || new.links < 2 {
        return Ok(false);
    }
    match sys::unlink(blobs, name) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Ends the migration durably. Every fan-out folder was synced before the old names were removed.
fn end(shared: &Shared) -> Result<()> {
    let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
    let root = &shared.root;
    let blobs = root
        .open_blobs()
        .map_err(fail("open the folder of blobs"))?;
    root.sync(&blobs)
        .map_err(fail("sync the folder of blobs"))?;
    root.confirm(Operation::Open, None, &Overlap::All)?;
    root.end_migration()
        .map_err(fail("replace the format marker"))
}
