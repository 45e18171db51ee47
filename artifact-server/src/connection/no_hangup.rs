//! The API of [`hangup`](super) on systems where a hang-up is not watched.
//!
//! There a client that is gone is noticed at the next read or write, and by the time limits of the server.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

/// The socket of a connection. No value exists.
pub(crate) struct SocketRef<'a>(Infallible, PhantomData<&'a ()>);

pub(crate) fn socket_of(_stream: &TcpStream) -> Option<SocketRef<'_>> {
    None
}

/// Waits for the hang-up of a socket. No value exists.
#[derive(Debug)]
pub(super) struct HangupWatch(Infallible);

impl HangupWatch {
    pub(super) fn new(socket: SocketRef<'_>) -> io::Result<Self> {
        match socket.0 {}
    }

    pub(super) fn poll(&self, _context: &mut Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}
