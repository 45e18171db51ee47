//! From a temporary to a blob: the syncs and the link, in the one order that keeps the contract.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::io::Errno;

use crate::error::{failed, with_kind};
use crate::layout::BlobName;
use crate::root::Root;
use crate::staging::{Temporary, same_file};
use crate::sys;

/// The ids whose blob got its name and then failed to be synced. Linux reports a failed write-back
/// once and then forgets it (fsync(2)), so a later sync that succeeds says nothing about them: in
/// this process they are never spoken of as stored.
#[derive(Debug, Default)]
pub(crate) struct Doubtful(Mutex<HashSet<ArtifactId>>);

impl Doubtful {
    fn add(&self, id: ArtifactId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }

    fn has(&self, id: ArtifactId) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }
}

/// Publishes a temporary of `size` bytes as the blob `id`. `Ok` means durable.
///
/// 1. fsync of the file: the bytes. A failure publishes nothing.
/// 2. linkat(2) to the name: exclusive and atomic in one call.
/// 3. fsync of the file again, where the file system may not journal the link count.
/// 4. fsync of the folder: the name.
///
/// After a failure of 3 or 4 the name is there and may or may not outlive a crash: `Ambiguous`.
/// No sync is ever tried again.
pub(crate) fn publish(
    root: &Root,
    doubtful: &Doubtful,
    temporary: Temporary,
    operation: Operation,
    id: ArtifactId,
    size: u64,
) -> Result<()> {
    let fail = |action| move |errno| failed(operation, Some(id), action, errno);
    // The file is ours alone, so its size can only be another one through somebody who found it.
    let before = sys::stat(temporary.file()).map_err(fail("inspect the temporary file"))?;
    if u64::try_from(before.st_size) != Ok(size)
        || before.st_nlink != u64::from(temporary.is_named())
    {
        return Err(tampered(operation, id));
    }
    sys::fsync(temporary.file()).map_err(fail("sync the bytes"))?;

    let name = BlobName::of(id);
    match temporary.link(root, name.as_str()) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Err(taken(root, doubtful, operation, id)),
        Err(errno) => {
            root.check_alive(operation)?;
            return Err(fail("give the blob its name")(errno));
        }
    }

    let doubt = |action| {
        move |errno| {
            doubtful.add(id);
            with_kind(ErrorKind::Ambiguous, operation, Some(id), action, errno)
        }
    };
    if !temporary.is_named() && !root.journals_links() {
        sys::fsync(temporary.file()).map_err(doubt("sync the link count of the blob"))?;
    }
    sys::fsync(root.blobs()).map_err(doubt("sync the name of the blob"))?;
    if temporary.is_named() {
        // The link was made from the descriptor; whoever may have exchanged the name meanwhile must
        // not see a foreign file acknowledged.
        let ours = same_file(temporary.file(), root.blobs(), name.as_str());
        if !ours.map_err(doubt("inspect the blob"))? {
            doubtful.add(id);
            return Err(tampered(operation, id));
        }
        // Not an error of the blob's, which is whole and durable: what stays is swept.
        let _ = temporary.discard();
    }
    Ok(())
}

/// The answer to a name that is there already. It must be as durable as the blob that it speaks of,
/// so the folder is synced first: who made the name may still be about to.
pub(crate) fn taken(
    root: &Root,
    doubtful: &Doubtful,
    operation: Operation,
    id: ArtifactId,
) -> Error {
    if doubtful.has(id) {
        return Error::new(ErrorKind::Unexpected, operation).with_id(id).with_detail(
            "another blob has this id, but could not be synced: whether it is durable is not known",
        );
    }
    match sys::fsync(root.blobs()) {
        Ok(()) => Error::new(ErrorKind::AlreadyExists, operation).with_id(id),
        Err(errno) => {
            doubtful.add(id);
            let action = "sync the name of the blob that has this id";
            with_kind(ErrorKind::Unexpected, operation, Some(id), action, errno)
        }
    }
}

fn tampered(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_id(id)
        .with_detail("somebody else changed the temporary file; look who may write to the root")
}
