//! The listening socket, TCP or Unix, and the connections that it accepts.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{SocketRef, socket_of};
use crate::unix_socket::UnixSocket;

/// Connections that the kernel queues until they are accepted; `net.core.somaxconn` limits it too.
const ACCEPT_QUEUE: i32 = 4096;

/// A connection's byte stream: TCP, Unix, TLS or a test's pipe.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    /// Ready if the socket has unread bytes, the end of input or an error. Makes no system call.
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()>;

    /// Returns the socket, or `None` for a pipe in memory.
    fn socket(&self) -> Option<SocketRef<'_>>;
}

impl Io for TcpStream {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(context).map(drop)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        socket_of(self)
    }
}

impl Io for Box<dyn Io> {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        (**self).poll_input(context)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        (**self).socket()
    }
}

#[cfg(test)]
impl Io for tokio::io::DuplexStream {
    fn poll_input(&self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        None
    }
}

/// The other end of a connection, for the log.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// The address as text, which each request logs.
    Tcp(std::sync::Arc<str>, IpAddr),
    Unix,
}

impl Peer {
    /// Returns the address without the port, or `None` for a Unix socket.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(_, ip) => Some(*ip),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(text, _) => f.write_str(text),
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
    Unix(UnixSocket),
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
    /// If another process listens there, or the path is something other than a socket. Always on systems other than
    /// Unix, for whose Unix sockets tokio has no type.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn bind_unix(path: &Path, mode: u32) -> Result<Self, ListenError> {
        UnixSocket::bind(path, mode).map(Socket::Unix).map(Self)
    }

    /// Takes a TCP socket that another program has bound, such as a service manager (socket activation, `sd_listen_fds(3)`).
    ///
    /// It becomes non-blocking, and its queue as long as that of [`bind_tcp`](Self::bind_tcp). Dropping the listener closes this
    /// descriptor only: while another program holds the socket too, connections queue there.
    ///
    /// # Errors
    ///
    /// If it is no listening socket, for example a connection.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn from_std_tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        SockRef::from(&listener).listen(ACCEPT_QUEUE)?;
        TcpListener::from_std(listener).map(Socket::Tcp).map(Self)
    }

    /// Takes a Unix socket that another program has bound, as [`from_std_tcp`](Self::from_std_tcp) does. Dropping the listener
    /// leaves the file to that program.
    ///
    /// # Errors
    ///
    /// If it is no listening socket, or has no path (unix(7)).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[cfg(all(unix, not(artifact_not_unix)))]
    pub fn from_std_unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        SockRef::from(&listener).listen(ACCEPT_QUEUE)?;
        UnixSocket::inherit(listener).map(Socket::Unix).map(Self)
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
            Socket::Unix(socket) => Address::Unix(socket.path().to_owned()),
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
                    .and_then(|()| limit_unsent(&stream, unsent));
                if let Err(error) = set {
                    tracing::debug!(peer = %address, %error, "a socket option could not be set");
                }
                Ok((
                    Box::new(stream),
                    Peer::Tcp(address.to_string().into(), address.ip()),
                ))
            }
            Socket::Unix(socket) => Ok((socket.accept(unsent).await?, Peer::Unix)),
        }
    }
}

/// Limits the bytes that the kernel buffers: on Linux the unsent ones, on other systems, where socket2 has no such
/// option, also those that the client has not acknowledged.
fn limit_unsent(stream: &TcpStream, unsent: u32) -> io::Result<()> {
    let socket = SockRef::from(stream);
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    return socket.set_tcp_notsent_lowat(unsent);
    #[cfg(any(not(target_os = "linux"), artifact_not_linux))]
    socket.set_send_buffer_size(unsent as usize)
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
