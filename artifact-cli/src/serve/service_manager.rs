//! What the server and its service manager tell each other: `sd_notify(3)`, `sd_watchdog_enabled(3)`, `sd_listen_fds(3)`.
//!
//! systemd is one, and others use the same variables. Without `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `LISTEN_FDS` nothing here
//! has an effect.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use anyhow::Result;
use artifact_backend::blocking;
use artifact_server::{Address, Listener};
use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::failure::{setup, setup_from};

/// How long the server waits for a service manager that takes no message.
const LIMIT: Duration = Duration::from_secs(1);

/// The sockets that the service manager has opened for this process.
pub(crate) struct InheritedSockets(ListenFd);

impl InheritedSockets {
    /// Takes the sockets. Removes the variables that name them, so this must run before the process has a second thread.
    pub(crate) fn take() -> Self {
        Self(ListenFd::from_env())
    }

    /// Returns the listener of the socket, or `None` without a socket.
    pub(crate) fn listener(mut self) -> Result<Option<Listener>> {
        match self.0.len() {
            0 => return Ok(None),
            1 => {}
            number => {
                return Err(setup(format!(
                    "the service manager passes {number} sockets, and the server uses one; leave one ListenStream= in the \
                     socket unit"
                )));
            }
        }
        let taken = if let Ok(Some(socket)) = self.0.take_tcp_listener(0) {
            Listener::from_std_tcp(socket)
        } else {
            let socket = self.0.take_unix_listener(0);
            let socket = socket.and_then(|socket| socket.ok_or(io::ErrorKind::NotFound.into()));
            socket.and_then(Listener::from_std_unix)
        };
        let taken = taken.map_err(|error| {
            setup_from(
                error,
                "cannot use the socket of the service manager; the socket unit needs ListenStream= with an address or a \
                 path, and Accept=no",
            )
        });
        taken.map(Some)
    }
}

/// Says that the server accepts requests, at the start and after a reload.
pub(crate) async fn ready(address: &Address) {
    let status = format!("listening on {address}");
    send(move || notify(&[NotifyState::Ready, NotifyState::Status(&status)])).await;
}

/// Says that the settings are being read again. The manager waits for [`ready`] then.
pub(crate) async fn reloading() {
    send(|| {
        // In one message: Type=notify-reload takes the time for that of the reload (sd_notify(3)).
        notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
    })
    .await;
}

/// Says that the server finishes its requests and ends.
pub(crate) async fn stopping() {
    send(|| {
        let status = NotifyState::Status("finishing the requests in flight");
        notify(&[NotifyState::Stopping, status])
    })
    .await;
}

/// Says what the start waits for.
pub(crate) fn waiting_for(what: &str) {
    let status = format!("waiting for {what}");
    // Its loss has no consequence.
    blocking::detach(move || drop(notify(&[NotifyState::Status(&status)])));
}

/// Sends a sign of life twice in each period of the watchdog, if the manager has one. The signs stop if the runtime no longer
/// runs tasks and timers. They do not depend on the database or the backend, which a restart does not repair.
pub(crate) async fn feed_watchdog() -> Infallible {
    let period = sd_notify::watchdog_enabled().map(|period| period / 2);
    let Some(period) = period.filter(|period| !period.is_zero()) else {
        return pending().await;
    };
    let mut times = tokio::time::interval(period);
    loop {
        times.tick().await;
        blocking::detach(|| drop(notify(&[NotifyState::Watchdog])));
    }
}

/// Sends states to the socket of `NOTIFY_SOCKET`. A name that begins with `@` is that of an abstract socket (unix(7)), which
/// `sd_notify` takes for a path.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is no setting: the service manager sets it"
)]
fn notify(states: &[NotifyState<'_>]) -> io::Result<()> {
    let socket = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    let Some(name) = socket.as_bytes().strip_prefix(b"@") else {
        return sd_notify::notify(states);
    };
    let mut text = String::new();
    for state in states {
        text += &state.to_string();
        text.push('\n');
    }
    let address = SocketAddr::from_abstract_name(name)?;
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

/// Sends a message. The server goes on without its service manager.
async fn send(message: impl FnOnce() -> io::Result<()> + Send + 'static) {
    let sent = tokio::time::timeout(LIMIT, blocking::run(message)).await;
    let error: Box<dyn std::error::Error> = match sent {
        Ok(Ok(Ok(()))) => return,
        Ok(Ok(Err(error))) => error.into(),
        Ok(Err(error)) => error.into(),
        Err(error) => error.into(),
    };
    tracing::warn!(
        error = &*error,
        "cannot tell the service manager (NOTIFY_SOCKET) what the server does"
    );
}
