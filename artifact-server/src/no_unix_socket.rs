//! The API of `unix_socket` on systems whose Unix sockets tokio does not support.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use crate::listener::{Io, ListenError};

/// A bound Unix socket. No value exists.
#[derive(Debug)]
pub(crate) struct UnixSocket(Infallible);

impl UnixSocket {
    pub(crate) fn bind(path: &Path, _mode: u32) -> Result<Self, ListenError> {
        Err(ListenError::new(format!(
            "cannot listen on unix:{}: this system has no Unix sockets for this program; listen on a TCP address",
            path.display()
        )))
    }

    pub(crate) fn path(&self) -> &Path {
        match self.0 {}
    }

    #[expect(clippy::unused_async, reason = "has the signature of the real one")]
    pub(crate) async fn accept(&self, _unsent: u32) -> io::Result<Box<dyn Io>> {
        match self.0 {}
    }
}
