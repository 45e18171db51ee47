//! The check that this process can start its threads.

use std::num::NonZero;
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

use crate::failure::setup_from;

/// The sentence for the operator if a thread cannot be started.
pub(crate) const TOO_FEW: &str = "cannot start the threads of this process: raise the limit of processes \
                                  and threads (ulimit -u, or pids.max of the cgroup)";

/// The threads besides those of the runtime: one that writes to SQLite, and some for blocking work, which
/// a start does at several places at once.
const OTHERS: usize = 8;

/// Checks that this process can start the threads of the runtime and [`OTHERS`].
///
/// tokio panics if it cannot start one of its threads, and then waits for the others forever.
pub(crate) fn check() -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut started = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..workers + OTHERS {
        let (release, released) = mpsc::channel::<()>();
        // The thread ends when `release` is dropped.
        match thread::Builder::new().spawn(move || released.recv().is_err()) {
            Ok(thread) => started.push((thread, release)),
            Err(error) => {
                outcome = Err(setup_from(error, TOO_FEW));
                break;
            }
        }
    }
    for (thread, release) in started {
        drop(release);
        // The thread cannot panic.
        let _ = thread.join();
    }
    outcome
}
