//! The process's limit on the size of a file (`ulimit -f`), which must not end the process.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Catches SIGXFSZ for the rest of the process's life, so that a write past the limit on the size of a
/// file (`RLIMIT_FSIZE`, `ulimit -f`) fails with EFBIG. By default the signal ends the process
/// (setrlimit(2), signal(7)).
///
/// The libraries of this project do not change signals on their own: a signal belongs to the whole
/// process. Call this once, before the first file is written, in a program that serves. The signal is
/// caught and not ignored, so a program that this process starts gets the default action.
///
/// # Errors
///
/// The error of sigaction(2).
///
/// # Panics
///
/// Outside a tokio runtime with I/O enabled.
pub fn survive_file_size_limit() -> io::Result<()> {
    // tokio never removes its handler, even after this receiver is dropped.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}
