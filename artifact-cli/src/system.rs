//! Calls of the operating system for files that are not blobs. On Unix.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::Path;

use artifact_backend::{Ownership, OwnershipError};
use rustix::fs::{Mode, OFlags};

use crate::failure::setup;
use crate::output::shell_word;

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Reads at a position, and leaves that of the file alone.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(bytes, at)
}

/// Opens a small file without waiting for the writer of a FIFO.
pub(crate) fn open_small(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// If the file is a pipe, lets reads wait for the program at the other end, as in `<(pass show token)`. Without such a
/// program, the pipe is empty. Returns whether it is a pipe.
pub(crate) fn wait_for_writer(file: &File) -> io::Result<bool> {
    let is_pipe = file.metadata()?.file_type().is_fifo();
    if is_pipe {
        let flags = rustix::fs::fcntl_getfl(file)?;
        rustix::fs::fcntl_setfl(file, flags - OFlags::NONBLOCK)?;
    }
    Ok(is_pipe)
}

/// Links to the descriptors that this process got from the one that started it. Only that one can have chosen
/// what is behind them.
const DESCRIPTORS: [&str; 3] = ["/dev/stdin", "/dev/fd", "/proc/self/fd"];

/// Rejects the file of a secret that others can read or change.
pub(crate) fn check_secret(path: &Path, found: &Metadata) -> anyhow::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let is_inherited = DESCRIPTORS.iter().any(|link| path.starts_with(link));
    let owner = if is_inherited { user } else { found.uid() };
    let Err(error) = Ownership::new(owner, found.mode(), user).check_secret() else {
        return Ok(());
    };
    let (shown, word) = (path.display(), shell_word(&path.to_string_lossy()));
    let is_readable = || {
        let is_of = |group| found.gid() == group;
        let groups = rustix::process::getgroups().unwrap_or_default();
        found.mode() & 0o040 != 0
            && (is_of(rustix::process::getegid().as_raw())
                || groups.into_iter().any(|group| is_of(group.as_raw())))
    };
    Err(setup(match error {
        OwnershipError::ForeignOwner { .. } => format!("the secret in {shown} {error}"),
        // The advice must not take the secret away from this process.
        _ if owner == user => {
            format!("other users can read or change the secret in {shown}; run: chmod 600 {word}")
        }
        _ if is_readable() => format!(
            "other users can read or change the secret in {shown}; run as root: chmod o= {word} (in \
             Kubernetes, set defaultMode to 0440)"
        ),
        _ => format!(
            "other users can read or change the secret in {shown}; run as root: chown {user} {word} && \
             chmod o= {word} (in Kubernetes, set fsGroup, and defaultMode to 0440)"
        ),
    }))
}

/// Creates a folder of mode 0700.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Removes a name. A symbolic link is not followed.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::unlink(path)?)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    open(folder)?.sync_all()
}

#[cfg(feature = "serve")]
/// Checks that a file can be read and written.
pub(crate) fn check_read_write(path: &Path) -> io::Result<()> {
    let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    Ok(rustix::fs::access(path, access)?)
}

/// Checks that files can be created in a folder.
pub(crate) fn check_writable(folder: &Path) -> io::Result<()> {
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    Ok(rustix::fs::access(folder, access)?)
}

/// Lets a temporary file have the mode of any new file.
pub(crate) fn use_mode_of_new_files(builder: &mut tempfile::Builder<'_, '_>) {
    builder.permissions(Permissions::from_mode(0o666));
}
