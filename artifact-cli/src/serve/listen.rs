//! The socket.

use std::io;
use std::net::TcpListener;

use anyhow::Result;

use super::plan::Plan;
use crate::failure::{setup, setup_from};

/// Binds the address. Nothing that outlives the process is made by it.
pub(crate) fn bind(plan: &Plan) -> Result<tokio::net::TcpListener> {
    let (called, address) = (&plan.listen_called, plan.listen.escape_debug());
    let bound = TcpListener::bind(plan.listen.as_str()).and_then(|listener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    });
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
