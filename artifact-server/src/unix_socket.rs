//! A Unix socket and its file. The file has its mode from the start, replaces only a socket without a
//! listener, and is removed with the listener.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use rustix::fs::{FlockOperation, Mode, OFlags};
use socket2::SockRef;
use tokio::net::{UnixListener, UnixStream};

use crate::connection::SocketRef;
use crate::listener::{Io, ListenError};

/// A bound Unix socket.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Removes the file of a socket that this process bound.
    _file: Option<SocketFile>,
}

impl UnixSocket {
    /// Binds a socket at this path with this mode.
    pub(crate) fn bind(path: &Path, mode: u32) -> Result<Self, ListenError> {
        let (listener, file) = bind(path, mode)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            _file: Some(file),
        })
    }

    /// Takes a socket that another program has bound. Its file belongs to that program.
    pub(crate) fn inherit(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let Some(path) = address.as_pathname() else {
            let error = "the Unix socket has no path, so no client could name it";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        };
        Ok(Self {
            path: path.to_owned(),
            listener: UnixListener::from_std(listener)?,
            _file: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts the next connection, for which the kernel buffers about `unsent` bytes.
    pub(crate) async fn accept(&self, unsent: u32) -> io::Result<Box<dyn Io>> {
        let (stream, _) = self.listener.accept().await?;
        // The buffer is twice this size, and the peer's unread bytes count (socket(7)).
        if let Err(error) = SockRef::from(&stream).set_send_buffer_size(unsent as usize) {
            tracing::debug!(%error, "a socket option could not be set");
        }
        Ok(Box::new(stream))
    }
}

impl Io for UnixStream {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(context).map(drop)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        Some(self.as_fd())
    }
}

/// The file of a socket that this process bound. Dropping it removes the file, unless another file has
/// replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: FileIdentity,
}

/// Device and inode number.
type FileIdentity = (u64, u64);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).ok() == Some(self.identity) {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

fn bind(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), ListenError> {
    let shown = path.display();
    let cannot_listen = |error: io::Error| {
        ListenError::io(
            format!("cannot listen on unix:{shown}; choose another path"),
            error,
        )
    };
    if path.as_os_str().is_empty() {
        // The kernel would choose a name that no client knows.
        return Err(ListenError::new(
            "the path of the Unix socket is empty".to_owned(),
        ));
    }
    let mode = Mode::from_raw_mode(mode);
    let listener = match bind_with_mode(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // The folder is locked while a stale file is checked and replaced. Otherwise two servers
            // that start at once could each take the other's socket for a stale one.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(folder_of(path), flags, Mode::empty())
                .map_err(|error| cannot_listen(error.into()))?;
            rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)
                .map_err(|error| cannot_listen(error.into()))?;
            remove_stale(path)?;
            bind_with_mode(path, mode)
        }
        bound => bound,
    };
    let listener = listener.map_err(cannot_listen)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path).map_err(cannot_listen)?,
    };
    Ok((listener, file))
}

/// Binds the socket under an umask that gives the file its mode.
///
/// A `chmod` after the bind would leave a moment in which others could connect.
fn bind_with_mode(path: &Path, mode: Mode) -> io::Result<UnixListener> {
    let before = rustix::process::umask(Mode::from_raw_mode(0o777) & !mode);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound
}

/// Removes a socket without a listener; any other file is an error.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let shown = path.display();
    let in_use = |reason: &str| {
        ListenError::new(format!(
            "cannot listen on unix:{shown}: {reason}; stop it, or choose another path"
        ))
    };
    let cannot_inspect =
        |error: io::Error| ListenError::io(format!("cannot inspect {shown}"), error);
    let found = path.symlink_metadata().map_err(cannot_inspect)?;
    if !found.file_type().is_socket() {
        return Err(ListenError::new(format!(
            "{shown} exists and is not a socket; choose another path"
        )));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(in_use("another process listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        // Its queue is full, or this user may not connect: a process may still listen.
        Err(_) => return Err(in_use("another process may listen there")),
    }
    if identity(path).map_err(cannot_inspect)? != (found.dev(), found.ino()) {
        return Err(in_use("another process is replacing it"));
    }
    rustix::fs::unlink(path).map_err(|error| cannot_inspect(error.into()))
}

fn identity(path: &Path) -> io::Result<FileIdentity> {
    let found = path.symlink_metadata()?;
    Ok((found.dev(), found.ino()))
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
