//! Temporary files: each has a name in `staging/` and is locked while it is in use.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};

use super::error::failed;
use super::files;
use super::publish::publish;
use super::root::Root;
use crate::failed_syncs::DiskCall;
use crate::layout::staging_name;
use crate::upload::BlobWriter;

/// The number of names that are tried before the folder is considered hostile.
const ATTEMPTS: usize = 16;

/// A temporary file that is locked against sweeps. Dropping it removes its name.
#[derive(Debug)]
pub(super) struct Temporary {
    file: File,
    name: StagingName,
}

/// The name of a temporary file in `staging/`. Dropping it removes the name.
#[derive(Debug)]
struct StagingName {
    root: Arc<Root>,
    /// Empty after the name was removed.
    path: PathBuf,
}

impl StagingName {
    fn remove(&mut self) -> io::Result<()> {
        let path = std::mem::take(&mut self.path);
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        match self
            .root
            .track(DiskCall::ChangeName, || files::remove(&path))
        {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

impl Drop for StagingName {
    fn drop(&mut self) {
        // If this fails, the file is a leftover, which a sweep finds.
        let _ = self.remove();
    }
}

impl Temporary {
    /// Creates an empty temporary file and locks it. A sweep may have removed it before it was locked, so the
    /// name is checked after the lock.
    pub(super) fn new(
        root: &Arc<Root>,
        operation: Operation,
        id: Option<ArtifactId>,
    ) -> Result<Self> {
        let fail = |error| failed(operation, id, "create a temporary file", error);
        root.check(operation)?;
        for _ in 0..ATTEMPTS {
            let path = root.staging().join(staging_name());
            let file = match files::create(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => {
                    root.check(operation)?;
                    return Err(fail(error));
                }
            };
            let name = StagingName {
                root: Arc::clone(root),
                path,
            };
            match file.try_lock() {
                Ok(()) => {}
                // A sweep has locked the file and is about to remove it.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
            match has_file(&name.path, &file) {
                Ok(true) => return Ok(Self { file, name }),
                Ok(false) => {}
                Err(error) => return Err(fail(error)),
            }
        }
        let error = Error::new(ErrorKind::Unavailable, operation).with_detail(
            "every temporary file was removed before it could be used; check who can write to the root",
        );
        Err(match id {
            Some(id) => error.with_id(id),
            None => error,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Appends bytes.
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Gives the synced file another name. `Ok` means that the new name refers to this file, as far as `std`
    /// knows it.
    ///
    /// A network file system may make the link, lose the reply, and send the request again. The error that the
    /// name exists is then a success.
    pub(super) fn link(&self, root: &Root, path: &Path) -> io::Result<()> {
        let linked = root.track(DiskCall::Link, || files::link(&self.name.path, path));
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let metadata = files::retry(|| self.file.metadata());
                let named = files::inspect(path);
                match (metadata, named) {
                    (Ok(metadata), Ok(named))
                        if files::is_same(&metadata, &named) == Some(true) =>
                    {
                        Ok(())
                    }
                    _ => Err(error),
                }
            }
            linked => linked,
        }
    }

    /// Returns whether a name refers to this file, as far as `std` knows it.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        has_file(path, &self.file)
    }

    /// Ends the lock: only a sweep of the temporary name respects it, and Windows keeps every other process from
    /// reading a locked file.
    pub(super) fn unlock(&self) {
        let _ = self.file.unlock();
    }

    /// Removes the temporary name.
    pub(super) fn remove_name(&mut self) -> io::Result<()> {
        self.name.remove()
    }
}

/// Returns whether a name refers to an open file, or on systems other than Unix to any file.
fn has_file(path: &Path, file: &File) -> io::Result<bool> {
    match files::inspect(path) {
        Ok(named) => {
            let opened = files::retry(|| file.metadata())?;
            Ok(named.is_file() && files::is_same(&named, &opened) != Some(false))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A temporary file being written.
#[derive(Debug)]
pub(super) struct FileWriter {
    temporary: Temporary,
    root: Arc<Root>,
    id: ArtifactId,
    size: u64,
}

impl FileWriter {
    /// Creates an empty temporary file.
    pub(super) fn begin(root: Arc<Root>, operation: Operation, id: ArtifactId) -> Result<Self> {
        // Bytes that will not be acknowledged are not taken.
        root.failed_syncs().check(operation, Some(id))?;
        Ok(Self {
            temporary: Temporary::new(&root, operation, Some(id))?,
            root,
            id,
            size: 0,
        })
    }
}

impl BlobWriter for FileWriter {
    /// `std` cannot reserve space.
    fn expect(&mut self, _bytes: u64) {}

    fn write(&mut self, operation: Operation, bytes: &[u8]) -> Result<()> {
        for chunk in bytes.chunks(1 << 20) {
            self.temporary
                .write_all(chunk)
                .map_err(|error| failed(operation, Some(self.id), "write the bytes", error))?;
            self.size += chunk.len() as u64;
        }
        Ok(())
    }

    fn publish(self, operation: Operation) -> Result<()> {
        publish(&self.root, self.temporary, operation, self.id, self.size)
    }

    fn discard(&mut self) -> Result<()> {
        self.temporary.remove_name().map_err(|error| {
            let action = "remove the temporary file";
            failed(Operation::Abort, Some(self.id), action, error)
        })
    }
}
