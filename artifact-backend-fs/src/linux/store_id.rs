//! The store id: a file in the root, beside the format marker and apart from the blobs.

use std::fs::File;
use std::os::fd::AsFd;

use artifact_backend::{Error, ErrorKind, Operation, Result, StoreId};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::failed_syncs::{DiskCall, Overlap};
use crate::layout::{STORE_ID, staging_name};
use crate::linux::error::failed;
use crate::linux::root::Root;
use crate::linux::shared::Shared;
use crate::linux::staging::Temporary;
use crate::linux::sys::{self, SysResult};

const TRIAL: &[u8] = b"trial of artifact-backend-fs\n";

/// Reads the store id, if the root has one.
pub(crate) fn read(root: &Root) -> Result<Option<StoreId>> {
    let operation = Operation::ReadStoreId;
    root.check_alive(operation)?;
    Ok(open(root, operation)?.map(|(_, id)| id))
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
pub(crate) fn create(shared: &Shared, new: StoreId) -> Result<StoreId> {
    let operation = Operation::CreateStoreId;
    let root = &shared.root;
    let fail = |errno| failed(operation, None, "create the file of the store id", errno);
    root.check_alive(operation)?;
    root.failed_syncs().check(operation, None)?;
    if open(root, operation)?.is_some() {
        try_write(shared)?;
    } else {
        let name = staging_name();
        let linked = link_new(root, &name, new);
        // The temporary name is not needed any more, even after an error. Its removal is made durable
        // before the link count of the file is.
        let removed = match root.track(DiskCall::ChangeName, || sys::unlink(root.staging(), &name))
        {
            Err(Errno::NOENT) => Ok(()),
            done => done,
        };
        linked
            .and(removed)
            .and_then(|()| root.sync(root.staging()))
            .map_err(fail)?;
    }
    let Some((file, found)) = open(root, operation)? else {
        return Err(Error::new(ErrorKind::Unexpected, operation)
            .with_detail("the file of the store id disappeared right after it was created"));
    };
    // After a failed sync, an id that exists may not be durable. The backend then acknowledges nothing.
    root.sync(&file)
        .and_then(|()| root.sync(root.folder()))
        .map_err(|errno| failed(operation, None, "sync the file of the store id", errno))
        .and_then(|()| root.confirm(operation, None, &Overlap::All))
        .map_err(|error| {
            Error::new(ErrorKind::Ambiguous, operation)
                .with_detail("it is not known whether the store id is durable; inspect the disk")
                .with_source(error)
        })?;
    Ok(found)
}

/// Writes and syncs a temporary file, which has no name if the file system can do that.
fn try_write(shared: &Shared) -> Result<()> {
    let (root, operation) = (&shared.root, Operation::CreateStoreId);
    let mut temporary = Temporary::new(root, &shared.tmpfile, operation, None)?;
    let written = sys::write_all(temporary.file(), TRIAL);
    let synced = written
        .and_then(|()| root.track(DiskCall::SyncBytes, || sys::fsync(temporary.file())))
        .and(temporary.remove_name());
    synced.map_err(|errno| failed(operation, None, "write a temporary file", errno))
}

/// Writes the id to a temporary file and links it to its name, unless the name exists.
fn link_new(root: &Root, temporary: &str, id: StoreId) -> SysResult<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
    let resolve = ResolveFlags::empty();
    let file = sys::open_beneath(root.staging(), temporary, flags, Mode::RUSR, resolve)?;
    // The lock keeps a sweep of another process from removing the file.
    sys::try_lock(&file)?;
    sys::retry(|| rustix::fs::fchmod(&file, Mode::RUSR))?;
    sys::write_all(file.as_fd(), id.to_line().as_bytes())?;
    root.track(DiskCall::SyncBytes, || sys::fsync(&file))?;
    let link = || sys::link(file.as_fd(), root.folder().as_fd(), STORE_ID);
    match root.track(DiskCall::Link, link) {
        Err(Errno::EXIST) => Ok(()),
        linked => linked,
    }
}

/// Opens the file and reads the id. Returns `None` if it does not exist.
fn open(root: &Root, operation: Operation) -> Result<Option<(File, StoreId)>> {
    let fail = |errno| failed(operation, None, "read the file of the store id", errno);
    let corrupt = |detail| Error::new(ErrorKind::Corrupt, operation).with_detail(detail);
    let foreign = "artifact-store-id in the root is not a file; restore the file from a backup";
    let (folder, resolve) = (root.folder().as_fd(), ResolveFlags::empty());
    let file = match sys::open_beneath(folder, STORE_ID, OFlags::RDONLY, Mode::empty(), resolve) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::XDEV) => {
            return Err(corrupt(foreign));
        }
        Err(errno) => return Err(fail(errno)),
    };
    let stat = sys::stat(&file).map_err(fail)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(corrupt(foreign));
    }
    // One byte more than the line has, so that a longer file is noticed.
    let mut line = [0; StoreId::TEXT_LEN + 2];
    let mut length = 0;
    while length < line.len() {
        match sys::retry(|| rustix::io::read(&file, &mut line[length..])).map_err(fail)? {
            0 => break,
            read => length += read,
        }
    }
    match StoreId::from_line(&line[..length]) {
        Ok(id) => Ok(Some((file, id))),
        Err(error) => Err(corrupt(
            "artifact-store-id in the root does not contain a store id; restore the file from a backup",
        )
        .with_source(error)),
    }
}
