//! A Unix socket and its file: nobody else can use it before it has its mode, nothing but a socket
//! that nobody listens on is replaced, and it is gone when the server is.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::net::UnixListener;

use crate::failure::{setup, setup_from};
use crate::files;

/// The file of a socket that this server bound. Dropped, it is removed, if it is still the same.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).ok() == Some(self.identity) {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// Binds a socket at this path, of this mode.
pub(crate) fn bind(path: &Path, mode: Mode) -> Result<(UnixListener, SocketFile)> {
    let shown = path.display();
    let cannot = |error: io::Error| {
        setup_from(
            error,
            format!("cannot listen on unix:{shown}; give another --listen"),
        )
    };
    if path.as_os_str().is_empty() {
        // The kernel would choose a name, which nobody would know.
        return Err(setup("there is no path behind unix: in --listen"));
    }
    let listener = match bind_with_mode(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // Held while a stale file is looked at and replaced: two servers that start at once
            // must not each take the other's socket for a stale one.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(files::parent(path), flags, Mode::empty())
                .map_err(|error| cannot(error.into()))?;
            rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)
                .map_err(|error| cannot(error.into()))?;
            remove_stale(path)?;
            bind_with_mode(path, mode)
        }
        bound => bound,
    };
    let listener = listener.map_err(cannot)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path).map_err(cannot)?,
    };
    Ok((listener, file))
}

/// The mask makes the file with its mode; a `chmod` afterwards would leave a moment before it. It is
/// the whole process's, which makes no other file while it binds.
fn bind_with_mode(path: &Path, mode: Mode) -> io::Result<UnixListener> {
    let before = rustix::process::umask(Mode::from_raw_mode(0o777) & !mode);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound
}

/// Removes a socket that nobody listens on; anything else there is an error.
fn remove_stale(path: &Path) -> Result<()> {
    let shown = path.display();
    let in_use = |what: &str| {
        setup(format!(
            "cannot listen on unix:{shown}: {what}; stop it, or give another --listen"
        ))
    };
    let cannot = |error: io::Error| setup_from(error, format!("cannot look at {shown}"));
    let found = path.symlink_metadata().map_err(cannot)?;
    if !found.file_type().is_socket() {
        return Err(setup(format!(
            "{shown} is there and is no socket; give another --listen"
        )));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(in_use("another process listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        // No room in its queue, no rights: somebody's, then.
        Err(_) => return Err(in_use("another process may listen there")),
    }
    if identity(path).map_err(cannot)? != (found.dev(), found.ino()) {
        return Err(in_use("it changes at this moment"));
    }
    rustix::fs::unlink(path).map_err(|error| cannot(error.into()))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = path.symlink_metadata()?;
    Ok((found.dev(), found.ino()))
}
