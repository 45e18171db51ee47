//! The listening socket, TCP or Unix, and the connections that it accepts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::unix_socket::{self, SocketFile};

/// Connections that the kernel queues until they are accepted; `net.core.somaxconn` limits it too.
const ACCEPT_QUEUE: i32 = 4096;

/// A connection's byte stream: TCP, Unix, TLS or a test's pipe.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    /// Ready if the socket has unread bytes, the end of input or an error. Makes no system call.
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()>;

    /// Returns the socket, or `None` for a pipe in memory.
    fn socket(&self) -> Option<BorrowedFd<'_>>;
}

impl Io for TcpStream {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(context).map(drop)
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Io for UnixStream {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(context).map(drop)
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Io for Box<dyn Io> {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        (**self).poll_input(context)
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        (**self).socket()
    }
}

#[cfg(test)]
impl Io for tokio::io::DuplexStream {
    fn poll_input(&self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The other end of a connection, for the log.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// The address as text, which each request logs.
    Tcp(std::sync::Arc<str>),
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The address under which clients reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Displayed as `http://HOST:PORT`, or `https://HOST:PORT` with TLS.
    Tcp {
        /// The socket's address, with the port that the system chose if port 0 was asked for.
        address: SocketAddr,
        /// Whether clients speak TLS.
        tls: bool,
    },
    /// Displayed as `unix:PATH`.
    Unix(PathBuf),
}

impl Address {
    /// Returns whether only programs on this machine can connect.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp { address, .. } => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, tls } => {
                write!(f, "http{}://{address}", if *tls { "s" } else { "" })
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound socket. Connections queue in the kernel until a server accepts them.
#[derive(Debug)]
pub struct Listener(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// The file is removed with the listener.
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Binds a TCP address such as `127.0.0.1:8080`. Port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// If the text is not an address with a port, the address is in use, or the user may not use it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn bind_tcp(address: &str) -> Result<Self, ListenError> {
        let bound = std::net::TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            // Listens again with a longer queue. If the queue overflows, the kernel drops packets,
            // and healthy clients wait one to three seconds until they retry.
            SockRef::from(&listener).listen(ACCEPT_QUEUE)?;
            TcpListener::from_std(listener)
        });
        let shown = address.escape_debug();
        bound
            .map(Socket::Tcp)
            .map(Self)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => ListenError::new(format!(
                    "the address {shown} is in use; stop the program that listens there, or choose \
                 another address (port 0 takes any free port)"
                )),
                io::ErrorKind::InvalidInput => ListenError::new(format!(
                    "'{shown}' is not an address with a port, such as 127.0.0.1:8080"
                )),
                io::ErrorKind::PermissionDenied => ListenError::new(format!(
                    "this user may not listen on {shown}; choose a port from 1024 up"
                )),
                _ => ListenError::io(
                    format!("cannot listen on {shown}; choose another address"),
                    error,
                ),
            })
    }

    /// Binds a Unix socket. `mode` is the mode of its file, such as `0o660`.
    ///
    /// The file has its mode from the start. Only a socket without a listener is replaced; any other
    /// existing file is an error. Dropping the listener removes the file.
    ///
    /// This changes the umask of the process for the duration of one system call. Bind before other
    /// threads create files.
    ///
    /// # Errors
    ///
    /// If another process listens there, or the path is something other than a socket.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn bind_unix(path: &Path, mode: u32) -> Result<Self, ListenError> {
        let (listener, file) = unix_socket::bind(path, mode)?;
        Ok(Self(Socket::Unix(listener, file)))
    }

    /// Returns the address under which clients reach this listener. `tls` is whether they speak TLS.
    ///
    /// # Errors
    ///
    /// If the operating system does not return the socket's address.
    pub fn address(&self, tls: bool) -> io::Result<Address> {
        Ok(match &self.0 {
            Socket::Tcp(listener) => Address::Tcp {
                address: listener.local_addr()?,
                tls,
            },
            Socket::Unix(_, file) => Address::Unix(file.path().to_owned()),
        })
    }

    /// Accepts the next connection, for which the kernel buffers about `unsent` bytes. Dropping the
    /// future loses no connection.
    pub(crate) async fn accept(&self, unsent: u32) -> io::Result<(Box<dyn Io>, Peer)> {
        match &self.0 {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Responses are written in large pieces, so Nagle's algorithm would only delay the
                // last one. The kernel's buffer is bounded so that a client that does not read is
                // noticed before it holds megabytes.
                let set = stream
                    .set_nodelay(true)
                    .and_then(|()| SockRef::from(&stream).set_tcp_notsent_lowat(unsent));
                if let Err(error) = set {
                    tracing::debug!(peer = %address, %error, "a socket option could not be set");
                }
                Ok((Box::new(stream), Peer::Tcp(address.to_string().into())))
            }
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                // The buffer is twice this size, and the peer's unread bytes count (socket(7)).
                if let Err(error) = SockRef::from(&stream).set_send_buffer_size(unsent as usize) {
                    tracing::debug!(%error, "a socket option could not be set");
                }
                Ok((Box::new(stream), Peer::Unix))
            }
        }
    }
}

/// A socket could not be bound. `Display` says what to do.
#[derive(Debug)]
pub struct ListenError {
    message: String,
    source: Option<io::Error>,
}

impl ListenError {
    pub(crate) fn new(message: String) -> Self {
        Self {
            message,
            source: None,
        }
    }

    pub(crate) fn io(message: String, source: io::Error) -> Self {
        Self {
            message,
            source: Some(source),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
