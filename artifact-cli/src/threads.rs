//! The check that this process can start its threads.

use std::fs::read_dir;
use std::num::NonZero;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::failure::setup_from;

/// The sentence for the operator if a thread cannot be started.
pub(crate) const TOO_FEW: &str = "cannot start the threads of this process: raise the limit of processes \
                                  and threads (ulimit -u, or pids.max of the cgroup)";

/// The threads besides those of the runtime: one that writes to SQLite, and those of the blocking pool. On
/// a busy machine the pool starts a thread for almost every step of a start, because the thread of the step
/// before is not idle yet.
const OTHERS: usize = 64;
/// How long [`check`] waits in milliseconds until the kernel has removed the threads that ended.
const MAX_WAIT_MS: u32 = 1_000;

/// Checks that this process can start the threads of the runtime and [`OTHERS`].
///
/// tokio panics if it cannot start one of its threads, and then waits for the others forever.
pub(crate) fn check() -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let before = count();
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
    // A joined thread counts until the kernel has removed it, so the runtime could still reach the limit.
    let mut waited = 0;
    while count() > before && waited < MAX_WAIT_MS {
        thread::sleep(Duration::from_millis(1));
        waited += 1;
    }
    outcome
}

/// Returns the number of threads of this process, or 0 without `/proc` (`proc_pid_task(5)`).
fn count() -> usize {
    read_dir("/proc/self/task").map_or(0, Iterator::count)
}
