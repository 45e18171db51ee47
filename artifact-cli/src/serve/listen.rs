//! The socket, and what comes from it: TCP or Unix.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use rustix::fs::Mode;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::connection::BACKLOG;
use super::unix_socket::{self, SocketFile};
use crate::failure::{setup, setup_from};
use crate::settings::ListenAddress;

/// What `--listen` begins with where a path follows.
pub(crate) const UNIX: &str = "unix:";

/// Connections that the kernel keeps until they are taken; it has a limit of its own
/// (`net.core.somaxconn`).
const QUEUE: i32 = 4096;

/// A connection's stream, whatever it is made of.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// Who is at the other end, for the log.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Where clients find the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp { address: SocketAddr, tls: bool },
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, tls } => {
                write!(f, "http{}://{address}", if *tls { "s" } else { "" })
            }
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// A bound socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// Its file goes with it.
    Unix(UnixListener, SocketFile),
}

impl Listener {
    pub(crate) fn address(&self, tls: bool) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(listener) => Address::Tcp {
                address: listener.local_addr()?,
                tls,
            },
            Self::Unix(_, file) => Address::Unix(file.path().to_owned()),
        })
    }

    /// The next connection. Dropping the future loses none.
    pub(crate) async fn accept(&self) -> io::Result<(Box<dyn Io>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written whole; Nagle's algorithm would only delay their ends. And the
                // kernel is not to hide behind megabytes of buffer that a client takes nothing.
                let set = stream
                    .set_nodelay(true)
                    .and_then(|()| SockRef::from(&stream).set_tcp_notsent_lowat(BACKLOG));
                if let Err(error) = set {
                    tracing::debug!(peer = %address, %error, "a socket option could not be set");
                }
                Ok((Box::new(stream), Peer::Tcp(address)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Peer::Unix))
            }
        }
    }
}

/// Binds the address. What that makes in the file system is taken away again. `called` is what messages
/// call the setting.
pub(crate) fn bind(address: &ListenAddress, mode: Mode, called: &str) -> Result<Listener> {
    match address {
        ListenAddress::Unix(path) => {
            unix_socket::bind(path, mode).map(|(listener, file)| Listener::Unix(listener, file))
        }
        ListenAddress::Tcp(address) => bind_tcp(address, called).map(Listener::Tcp),
    }
}

fn bind_tcp(address: &str, called: &str) -> Result<TcpListener> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        // Said again with a longer queue: where it overflows, the kernel drops what clients send,
        // and those who are healthy wait for a second or three until they try again.
        SockRef::from(&listener).listen(QUEUE)?;
        TcpListener::from_std(listener)
    });
    let address = address.escape_debug();
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => setup(format!(
            "the address {address} is in use; stop what listens there, or give another --listen \
             (port 0 takes any free one)"
        )),
        io::ErrorKind::InvalidInput => setup(format!(
            "{called} must be an address and a port, such as 127.0.0.1:8080, not '{address}'"
        )),
        io::ErrorKind::PermissionDenied => setup(format!(
            "this user may not listen on {address}; give a port from 1024 up by --listen"
        )),
        _ => setup_from(
            error,
            format!("cannot listen on {address}; give another --listen"),
        ),
    })
}
