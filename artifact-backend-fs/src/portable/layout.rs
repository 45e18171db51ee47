//! Creates and checks the folders of a root.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use artifact_backend::{Error, ErrorKind, Operation, Ownership, OwnershipError, Result};

use super::error::failed;
use super::files::{self, OpenFolder};
use super::{failure_record, marker};
use crate::error::misconfigured;
use crate::layout::{BLOBS, RESERVED, STAGING, fan_out, fan_out_name};

/// Creates the root if only its last component is missing, and returns its path without symlinks.
pub(super) fn create_root(path: &Path) -> Result<PathBuf> {
    let fail = |error| failed(Operation::Open, None, "create the root", error);
    files::create_folder(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            misconfigured("the parent folder of the root does not exist; create it")
        }
        _ => fail(error),
    })?;
    let root = files::retry(|| path.canonicalize()).map_err(fail)?;
    if !files::inspect(&root).map_err(fail)?.is_dir() {
        return Err(misconfigured("the root is not a folder"));
    }
    Ok(root)
}

/// Creates the folders of a new root. The caller creates the marker last, when everything else is
/// durable, including the root's own name.
pub(super) fn create(root: &Path) -> Result<()> {
    let fail = |action| move |error| failed(Operation::Open, None, action, error);
    check_empty(root)?;
    let blobs = root.join(BLOBS);
    for folder in [blobs.clone(), root.join(STAGING)] {
        create_folder(&folder)?;
    }
    for number in fan_out() {
        let folder = blobs.join(fan_out_name(number));
        create_folder(&folder)?;
        sync(root, &folder).map_err(fail("sync a fan-out folder"))?;
    }
    sync(root, &blobs).map_err(fail("sync a fan-out folder"))?;
    sync(root, root).map_err(fail("sync the root"))?;
    match root.parent().map(|parent| sync(root, parent)) {
        // The parent is not readable, so another user created the root and made its name durable.
        Some(Err(error)) if error.kind() != io::ErrorKind::PermissionDenied => {
            Err(fail("sync the parent folder of the root")(error))
        }
        _ => Ok(()),
    }
}

/// Syncs a folder while the root is being opened.
fn sync(root: &Path, folder: &Path) -> io::Result<()> {
    failure_record::checked(root, OpenFolder::open(folder)?.sync())
}

/// Creates a folder of the layout unless it exists.
pub(super) fn create_folder(path: &Path) -> Result<()> {
    let action = "create a folder of the layout";
    files::create_folder(path).map_err(|error| failed(Operation::Open, None, action, error))?;
    check_folder(path)
}

/// Rejects anything but a folder.
pub(super) fn check_folder(path: &Path) -> Result<()> {
    match files::inspect(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(misconfigured(
            "a folder of the layout is not a folder but something else, such as a symlink",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(misconfigured(
            "the root has a format marker but no folder of blobs; restore the folder from a backup",
        )),
        Err(error) => {
            let action = "inspect a folder of the layout";
            Err(failed(Operation::Open, None, action, error))
        }
    }
}

/// Rejects a root that has lost a fan-out folder.
pub(super) fn check_fan_out(root: &Path) -> Result<()> {
    for number in fan_out() {
        let folder = root.join(BLOBS).join(fan_out_name(number));
        match files::inspect(&folder) {
            Ok(found) if found.is_dir() => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let action = "inspect a fan-out folder";
                return Err(failed(Operation::Open, None, action, error));
            }
            _ => return Err(lost_fan_out(Operation::Open)),
        }
    }
    Ok(())
}

/// Returns the error for a fan-out folder that was removed or replaced.
pub(super) fn lost_fan_out(operation: Operation) -> Error {
    Error::new(ErrorKind::Misconfigured, operation).with_detail(
        "one of the 16 fan-out folders 0 to f in the folder of blobs is missing or is not a folder; restore it \
         from a backup and restart",
    )
}

/// Rejects a folder that every user can write to. Rejects one of another user than root and `user`, if the
/// user of this process is known. A group that can write is a warning.
pub(super) fn check_owner(folder: &Path, name: &str, user: Option<u32>) -> Result<()> {
    let found = files::inspect(folder)
        .map_err(|error| failed(Operation::Open, None, "inspect a folder", error))?;
    let Some((owner, mode)) = files::owner_and_mode(&found) else {
        return Ok(());
    };
    let checked = Ownership::new(owner, mode, user.unwrap_or(owner)).check_trusted();
    if let Err(error @ OwnershipError::ForeignOwner { .. }) = checked {
        return Err(misconfigured(format!("{name} {error}")));
    }
    let mode = mode & 0o777;
    if mode & 0o002 != 0 {
        return Err(misconfigured(format!(
            "others can write to {name} (mode {mode:03o}); chmod 700 it"
        )));
    }
    if mode & 0o020 != 0 {
        tracing::warn!(
            mode = format_args!("{mode:03o}"),
            "the group of {name} can write to it, so its members can delete or replace blobs; chmod 700 it \
             unless an orchestrator sets this mode"
        );
    }
    Ok(())
}

/// Rejects a root without a marker that contains foreign files. Empty folders of the layout are allowed: another
/// process may be opening the same new root, or was killed while it did.
fn check_empty(root: &Path) -> Result<()> {
    let mut foreign = has_other_than(root, &RESERVED)?;
    let blobs = root.join(BLOBS);
    if files::inspect(&blobs).is_ok_and(|found| found.is_dir()) {
        let names: Vec<_> = fan_out().map(fan_out_name).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        foreign |= has_other_than(&blobs, &names)?;
        for name in names {
            let folder = blobs.join(name);
            if files::inspect(&folder).is_ok_and(|found| found.is_dir()) {
                foreign |= has_other_than(&folder, &[])?;
            }
        }
    }
    // Another process that opens the root may have finished and stored blobs already.
    if !foreign || marker::read(root)?.is_some() {
        return Ok(());
    }
    Err(misconfigured(
        "the root is not empty and has no format marker, so it is not an artifact store; choose an \
         empty folder",
    ))
}

fn has_other_than(folder: &Path, known: &[&str]) -> Result<bool> {
    let names =
        names(folder).map_err(|error| failed(Operation::Open, None, "read the root", error))?;
    Ok(names
        .iter()
        .any(|name| !known.iter().any(|known| name == known)))
}

/// Returns all names in a folder.
pub(super) fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for_each_name(folder, |name| names.push(name))?;
    Ok(names)
}

/// Calls `add` with each name in a folder.
pub(super) fn for_each_name(folder: &Path, mut add: impl FnMut(OsString)) -> io::Result<()> {
    for entry in files::retry(|| folder.read_dir())? {
        add(entry?.file_name());
    }
    Ok(())
}
