//! The temporary files of `get`: those that a killed command left are removed by the next one, and `put` leaves them out.

use std::ffi::OsStr;
use std::fs::TryLockError;
use std::path::Path;

use anyhow::Result;
use tempfile::NamedTempFile;

use crate::get::temporary_beside;
use crate::{files, system};

/// What the names begin with.
const PREFIX: &str = ".artifact-get-";

/// How many random letters and digits follow: the default of `tempfile`.
const RANDOM: usize = 6;

/// Creates a temporary file in the folder of a path, locked while it is open, so that [`remove_from`] knows it to be in use.
pub(crate) fn create_beside(path: &Path) -> Result<NamedTempFile> {
    loop {
        let temporary = temporary_beside(path, PREFIX)?;
        // On a file system without locks nothing is removed either.
        let is_taken = matches!(
            temporary.as_file().try_lock(),
            Err(TryLockError::WouldBlock)
        );
        // Another command may have removed it before it was locked.
        if !is_taken && temporary.path().symlink_metadata().is_ok() {
            return Ok(temporary);
        }
    }
}

/// Returns whether a file has the name of a temporary file.
pub(crate) fn is_name(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Removes the temporary files in a folder that no command uses, and returns their number. What cannot be removed stays.
pub(crate) fn remove_from(folder: &Path) -> u64 {
    let Ok(entries) = folder.read_dir() else {
        return 0;
    };
    let mut removed = 0;
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_name(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        // Locked until it is removed: see `create_beside`.
        if let Ok(file) = files::open(&path)
            && file.try_lock().is_ok()
            && system::remove_file(&path).is_ok()
        {
            removed += 1;
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unused_files_of_exactly_this_form_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let others = [
            ".artifact-get-",
            ".artifact-get-abc12",
            ".artifact-get-abc1234",
            ".artifact-get-abc-12",
            "artifact-get-abc123",
        ];
        for name in others.iter().chain(&[".artifact-get-abc123"]) {
            std::fs::File::create_new(path(name)).unwrap();
        }
        std::fs::create_dir(path(".artifact-get-folder")).unwrap();
        let used = create_beside(&path("x")).unwrap();
        assert!(is_name(used.path().file_name().unwrap()));
        assert_eq!(remove_from(folder.path()), 1);
        assert!(!path(".artifact-get-abc123").exists());
        assert!(path(".artifact-get-folder").exists() && used.path().exists());
        assert!(others.iter().all(|name| path(name).exists()));
        assert_eq!(remove_from(&path("missing")), 0);
    }
}
