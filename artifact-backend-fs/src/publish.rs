//! From a temporary to a blob: the syncs and the link, in the one order that keeps the contract.

use std::fs::File;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::doubt::Doubt;
use crate::error::{failed, with_kind};
use crate::layout::BlobName;
use crate::load;
use crate::root::Root;
use crate::staging::{Temporary, same_file};
use crate::sys;

/// Publishes a temporary of `size` bytes as the blob `id`. `Ok` means durable.
///
/// 1. fsync of the file: the bytes. A failure publishes nothing.
/// 2. linkat(2) to the name: exclusive and atomic in one call.
/// 3. fsync of the file again, where the file system may not journal the link count; a named
///    temporary loses its first name before that, durably, so that no count is ever wrong.
/// 4. fsync of the folder: the name.
///
/// After a failure of 3 or 4 the name is there and may or may not outlive a crash: `Ambiguous`.
/// No sync is ever tried again.
pub(crate) fn publish(
    root: &Root,
    doubt: &Doubt,
    temporary: Temporary,
    operation: Operation,
    id: ArtifactId,
    size: u64,
) -> Result<()> {
    let fail = |action| move |errno| failed(operation, Some(id), action, errno);
    doubt.check(operation, id)?;
    // Opened before the link: a failed write-back is told once to each open file description.
    let folder = root
        .open_blobs()
        .map_err(fail("open the folder of blobs"))?;
    // The file is ours alone, so its size can only be another one through somebody who found it.
    let before = sys::stat(temporary.file()).map_err(fail("inspect the temporary file"))?;
    if u64::try_from(before.st_size) != Ok(size)
        || before.st_nlink != u64::from(temporary.is_named())
    {
        return Err(tampered(operation, id));
    }
    if before.st_mode & 0o7777 != load::BLOB_MODE {
        // A umask that takes the owner's rights away.
        let mode = Mode::from_raw_mode(load::BLOB_MODE);
        sys::retry(|| rustix::fs::fchmod(temporary.file(), mode))
            .map_err(fail("set the mode of the blob"))?;
    }
    sys::fsync(temporary.file()).map_err(fail("sync the bytes"))?;

    let name = BlobName::of(id);
    let in_doubt = |action| {
        move |errno| {
            doubt.add(id);
            with_kind(ErrorKind::Ambiguous, operation, Some(id), action, errno)
        }
    };
    let unsettled = doubt.unsettled();
    match temporary.link(root, name.as_str()) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            // A network file system may have done it, lost the answer, and asked again.
            let ours = same_file(temporary.file(), root.blobs(), name.as_str());
            if ours != Ok(true) {
                drop(unsettled);
                return Err(taken(root, doubt, &folder, operation, id));
            }
        }
        // The disk itself failed: whether the name was written is not known.
        Err(errno @ Errno::IO) => return Err(in_doubt("give the blob its name")(errno)),
        Err(errno) => {
            root.check_alive(operation)?;
            return Err(fail("give the blob its name")(errno));
        }
    }

    // The link was made from the descriptor: whatever lies under the name from now on, it was this
    // file that got it.
    let named = temporary.is_named();
    let mut temporary = temporary;
    if !root.journals_links() {
        if named {
            temporary
                .unname()
                .map_err(in_doubt("remove the temporary name"))?;
            sys::fsync(root.staging()).map_err(in_doubt("sync the staging folder"))?;
        }
        sys::fsync(temporary.file()).map_err(in_doubt("sync the link count of the blob"))?;
    }
    doubt
        .sync_folder(&folder)
        .map_err(in_doubt("sync the name of the blob"))?;
    if doubt.check(operation, id).is_err() {
        // Another operation was told of a failure meanwhile: it may have been about this name.
        return Err(in_doubt("sync the name of the blob")(Errno::IO));
    }
    // Not an error of the blob's, which is whole and durable: what stays is swept.
    let _ = temporary.unname();
    Ok(())
}

/// The answer to a name that is there already. It must be as durable as the blob that it speaks of,
/// so both are synced first: who made the name may still be about to.
fn taken(root: &Root, doubt: &Doubt, folder: &File, operation: Operation, id: ArtifactId) -> Error {
    if let Err(error) = load::stat(root, operation, id)
        && error.kind() == ErrorKind::Corrupt
    {
        // Something else lies there, and no blob has this id.
        return error;
    }
    // Its maker may just be told that it could not be synced.
    doubt.wait_until_settled();
    if let Err(error) = doubt.check(operation, id) {
        return error;
    }
    if doubt.has(id) {
        return Error::new(ErrorKind::Unexpected, operation).with_id(id).with_detail(
            "another blob has this id, but could not be synced: whether it is durable is not known",
        );
    }
    let mut synced = Ok(());
    if !root.journals_links() {
        let name = BlobName::of(id);
        let (flags, resolve) = (OFlags::RDONLY, ResolveFlags::empty());
        synced = sys::open_beneath(root.blobs(), name.as_str(), flags, Mode::empty(), resolve)
            .and_then(sys::fsync);
        if synced == Err(Errno::NOENT) {
            // Deleted since: it was there, which is all that is said of it.
            synced = Ok(());
        }
    }
    match synced.and_then(|()| doubt.sync_folder(folder)) {
        Ok(()) => Error::new(ErrorKind::AlreadyExists, operation).with_id(id),
        Err(errno) => {
            doubt.add(id);
            let action = "sync the blob that has this id";
            with_kind(ErrorKind::Unexpected, operation, Some(id), action, errno)
        }
    }
}

fn tampered(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_id(id)
        .with_detail("somebody else changed the temporary file; look who may write to the root")
}
