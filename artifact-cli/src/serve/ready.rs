//! Tells scripts that the server accepts requests, and at which address.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use artifact_server::Address;
use rustix::fs::{Mode, OFlags};

use crate::failure::setup_from;
use crate::output;

/// Opens the descriptor that `--ready-fd` names. It goes through /proc, because safe code cannot use a bare
/// number as a descriptor; that works for pipes, FIFOs and files.
pub(crate) fn open(number: u32) -> Result<File> {
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

/// Writes one line to standard output and to the ready descriptor. The server keeps running if nothing
/// reads them.
pub(crate) fn announce(ready_fd: Option<&File>, address: &Address) {
    let line = format!("listening on {address}");
    let _ = output::data(&line);
    if let Some(mut file) = ready_fd
        && let Err(error) = writeln!(file, "{line}")
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot write to --ready-fd"
        );
    }
}
