//! Tells scripts that the server accepts requests, and at which address.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use anyhow::Result;
use artifact_backend::blocking;
use artifact_server::Address;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::failure::setup_from;
use crate::output;

/// Opens the descriptor that `--ready-fd` names. It goes through /proc, because safe code cannot use a bare
/// number as a descriptor; that works for pipes, FIFOs and files. Returns `None` for a pipe that no program
/// reads.
pub(crate) fn open(number: u32) -> Result<Option<File>> {
    let path = PathBuf::from(format!("/proc/self/fd/{number}"));
    // Not blocking: neither a pipe without a reader nor a full one may stop the server. The descriptor is
    // new, so that this changes nothing for other programs.
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOCTTY;
    match rustix::fs::open(&path, flags | OFlags::NONBLOCK, Mode::empty()) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::NXIO)
            if path
                .metadata()
                .is_ok_and(|found| found.file_type().is_fifo()) =>
        {
            output::warn(format_args!("no program reads --ready-fd {number}"));
            Ok(None)
        }
        Err(error) => Err(setup_from(
            error,
            format!("--ready-fd {number} is not a pipe or file that can be written to"),
        )),
    }
}

/// Writes one line to standard output and to the ready descriptor. The server keeps running if nothing
/// reads them.
pub(crate) fn announce(ready_fd: Option<&File>, address: &Address) {
    let line = format!("listening on {address}");
    let data = line.clone();
    // A full pipe blocks its writer.
    blocking::detach(move || drop(output::data(data)));
    if let Some(mut file) = ready_fd
        && let Err(error) = writeln!(file, "{line}")
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot write to --ready-fd"
        );
    }
}
