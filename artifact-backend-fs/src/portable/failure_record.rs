//! The file in the root that says that a sync has failed.

use std::io::{self, Write as _};
use std::path::Path;

use super::files;
use crate::layout::{FAILED_SYNC, FAILED_SYNC_TEXT};

/// Returns whether a process has recorded a failed sync.
pub(super) fn exists(root: &Path) -> io::Result<bool> {
    match files::inspect(&root.join(FAILED_SYNC)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Records a failed sync. The name alone counts, so it is synced before the text is written.
pub(super) fn create(root: &Path, cause: &io::Error) {
    match write(root) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Ok(()) => tracing::error!(
            %cause,
            "a sync failed; nothing is acknowledged any more, and the file failed-sync in the root says \
             what to do"
        ),
        Err(error) => tracing::error!(
            %cause, %error,
            "a sync failed, and the file failed-sync could not be made durable; nothing is acknowledged \
             any more; do not start again before the file system was repaired and mounted again"
        ),
    }
}

fn write(root: &Path) -> io::Result<()> {
    let mut file = files::create(&root.join(FAILED_SYNC))?;
    files::OpenFolder::open(root)?.sync()?;
    file.write_all(FAILED_SYNC_TEXT.as_bytes())?;
    files::sync(&file)
}

/// Returns the result of a sync while the root is being opened. Records a failure.
pub(super) fn checked(root: &Path, synced: io::Result<()>) -> io::Result<()> {
    synced.inspect_err(|error| create(root, error))
}
