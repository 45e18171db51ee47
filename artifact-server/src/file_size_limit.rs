//! The process's limit on the size of a file (`ulimit -f`), which must not end the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::Signal;

/// Catches SIGXFSZ for the rest of the process's life, so that a write past the limit on the size of a
/// file (`RLIMIT_FSIZE`, `ulimit -f`) fails with EFBIG. By default the signal ends the process
/// (setrlimit(2), signal(7)).
///
/// The libraries of this project do not change signals on their own: a signal belongs to the whole
/// process. Call this once, before the first file is written, in a program that serves; the log on
/// standard error may be such a file. The signal is caught and not ignored, so a program that this process
/// starts gets the default action.
///
/// # Errors
///
/// The error of sigaction(2).
pub fn survive_file_size_limit() -> io::Result<()> {
    // The handler stays for good, and nothing reads the flag.
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::XFSZ.as_raw(), flag).map(drop)
}
