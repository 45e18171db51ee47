//! Tells scripts that the server takes requests, and where.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use artifact_server::Address;
use rustix::fs::{Mode, OFlags};

use super::plan::Plan;
use crate::failure::setup_from;
use crate::output;

/// Opens the descriptor that `--ready-fd` names. It goes by way of /proc, since a number is no
/// descriptor to safe code; that works for pipes, FIFOs and files.
pub(crate) fn open(number: u64) -> Result<File> {
    let path = PathBuf::from(format!("/proc/self/fd/{number}"));
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    opened.map(File::from).map_err(|error| {
        setup_from(
            error,
            format!("--ready-fd {number} is not a pipe or file that can be written to"),
        )
    })
}

/// One line, on standard output and on the ready descriptor. That nobody reads them any more is no
/// reason not to serve.
pub(crate) fn announce(plan: &Plan, address: &Address) {
    let line = format!("listening on {address}");
    let _ = output::data(&line);
    if let Some(mut file) = plan.ready_fd.as_ref()
        && let Err(error) = writeln!(file, "{line}")
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "--ready-fd got no line"
        );
    }
}
