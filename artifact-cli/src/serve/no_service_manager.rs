//! The API of `service_manager` on systems other than Linux, whose service managers speak another protocol.

use std::convert::Infallible;
use std::future::pending;

use anyhow::Result;
use artifact_server::{Address, Listener};

/// The sockets that the service manager has opened for this process: none.
pub(crate) struct InheritedSockets;

impl InheritedSockets {
    pub(crate) fn take() -> Self {
        Self
    }

    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "has the signature of the real one"
    )]
    pub(crate) fn listener(self) -> Result<Option<Listener>> {
        Ok(None)
    }
}

#[expect(clippy::unused_async, reason = "has the signature of the real one")]
pub(crate) async fn ready(_address: &Address) {}

#[expect(clippy::unused_async, reason = "has the signature of the real one")]
pub(crate) async fn reloading() {}

#[expect(clippy::unused_async, reason = "has the signature of the real one")]
pub(crate) async fn stopping() {}

pub(crate) fn waiting_for(_what: &str) {}

pub(crate) async fn feed_watchdog() -> Infallible {
    pending().await
}
