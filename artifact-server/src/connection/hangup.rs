//! Tells a client that is gone from a client that only sends no more.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// The socket of a connection.
pub(crate) type SocketRef<'a> = BorrowedFd<'a>;

/// Returns the socket of a TCP connection, or `None` on systems where a hang-up is not watched.
#[expect(
    clippy::unnecessary_wraps,
    reason = "other systems have no such socket"
)]
pub(crate) fn socket_of(stream: &TcpStream) -> Option<SocketRef<'_>> {
    Some(stream.as_fd())
}

/// Waits for the hang-up of a socket whose input waits unread.
///
/// The end of input says only that the client sends no more: it may still wait for its response. A hang-up
/// says that it takes no more either: the connection was reset or, on a Unix socket, closed (`EPOLLHUP`,
/// `epoll_ctl(2)`). A TCP client that just closes cannot be distinguished from one that waits until it answers a
/// response with a reset.
///
/// Unread input hides a later hang-up from the waiting task, because tokio's reader stays ready. So this
/// registers a duplicate of the socket, for as long as one request.
#[derive(Debug)]
pub(super) struct HangupWatch(UnixStream);

impl HangupWatch {
    pub(super) fn new(socket: SocketRef<'_>) -> io::Result<Self> {
        let duplicate = socket.try_clone_to_owned()?;
        // Only its readiness is used, which does not depend on the kind of the socket.
        UnixStream::from_std(unix::net::UnixStream::from(duplicate)).map(Self)
    }

    /// Ready once the client is gone.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.0.poll_write_ready(context)).is_err() {
                return Poll::Ready(());
            }
            let readiness = self.0.ready(Interest::WRITABLE).now_or_never();
            if readiness.is_none_or(|readiness| readiness.is_ok_and(|it| !it.is_write_closed())) {
                // Only writable. As if a write had failed, the next poll waits for another event.
                let _ = self.0.try_io(Interest::WRITABLE, || -> io::Result<()> {
                    Err(io::ErrorKind::WouldBlock.into())
                });
                continue;
            }
            return Poll::Ready(());
        }
    }
}
