//! The format marker: the file in the root with the backend's name and the layout version.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use artifact_backend::{Operation, Result};

use super::error::{failed, not_linked};
use super::failure_record;
use super::files::{self, Found, OpenFolder};
use crate::error::misconfigured;
use crate::layout::{MARKER, STAGING, staging_name};
use crate::version::{MAX_BYTES, Version};

/// Reads the marker. Returns `None` if it does not exist.
///
/// # Errors
///
/// `Misconfigured` if it names another layout or is not a file.
pub(super) fn read(root: &Path) -> Result<Option<Version>> {
    let fail = |error| failed(Operation::Open, None, "read the format marker", error);
    let file = match files::open(&root.join(MARKER)) {
        Ok(Found::File(file, _)) => file,
        Ok(Found::Foreign) => {
            return Err(misconfigured("the format marker is not a file"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mut text = Vec::with_capacity(MAX_BYTES);
    file.take(MAX_BYTES as u64)
        .read_to_end(&mut text)
        .map_err(fail)?;
    Version::parse(&text).map(Some)
}

/// Creates the marker of a new root atomically and durably. If another process creates it first, that
/// marker stays.
pub(super) fn create(root: &Path) -> Result<()> {
    let fail = |error| failed(Operation::Open, None, "create the format marker", error);
    let temporary = root.join(STAGING).join(staging_name());
    let linked = write(root, &temporary).map_err(fail).and_then(|_locked| {
        match files::link(&temporary, &root.join(MARKER)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let action = "create the format marker";
                Err(not_linked(Operation::Open, None, action, error))
            }
            _ => Ok(()),
        }
    });
    // The temporary file is not needed any more, even after an error.
    let removed = match files::remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    linked?;
    removed
        .and_then(|()| OpenFolder::open(root))
        .and_then(|folder| failure_record::checked(root, folder.sync()))
        .map_err(fail)
}

/// Writes the marker to a temporary file and syncs it. The lock of the file keeps a sweep away.
fn write(root: &Path, temporary: &Path) -> io::Result<std::fs::File> {
    let mut file = files::create(temporary)?;
    // Without locks no sweep could remove it.
    let _ = file.try_lock();
    file.write_all(Version::FanOut.text().as_bytes())?;
    failure_record::checked(root, files::sync(&file))?;
    Ok(file)
}
