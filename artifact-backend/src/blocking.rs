//! Runs blocking work on tokio's blocking pool.
//!
//! Product code calls [`run`] or [`detach`] and not `spawn_blocking`, so that one place decides
//! what happens when the pool cannot take the work.
//!
//! tokio 1.54 puts a task into its queue before it starts a thread for it. If the operating system
//! has no thread and the pool has none either, `spawn_blocking` panics and the task stays in the
//! queue, with everything that it owns. Here the work is taken out of the queued task, so it never
//! runs, and its permits return at once.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The blocking pool did not run the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingPoolError {
    /// The runtime is shutting down.
    #[error("the async runtime is shutting down")]
    Closed,
    /// The operating system has no thread for the pool. A later call may succeed.
    #[error(
        "no thread can be started: the limit of processes and threads (RLIMIT_NPROC, or pids.max of the \
         cgroup) is reached, or memory is short"
    )]
    NoThread,
}

/// Whether the last attempt to start a thread failed. Until a thread can be had, nothing more is put
/// into tokio's queue, which would grow with every request.
static NO_THREAD: AtomicBool = AtomicBool::new(false);

/// The work that was handed to the blocking pool and has not begun.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// The work that runs on the blocking pool.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// The work that this process has handed to the blocking pool by [`run`] and [`detach`], and that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingLoad {
    /// The work that has not begun, because every thread of the pool is busy.
    pub waiting: usize,
    /// The work that runs.
    pub running: usize,
}

/// Returns how much work waits for the blocking pool, and how much runs on it.
pub fn load() -> BlockingLoad {
    BlockingLoad {
        waiting: WAITING.load(Ordering::Relaxed),
        running: RUNNING.load(Ordering::Relaxed),
    }
}

/// Counts one piece of work until it is dropped.
struct Counted(&'static AtomicUsize);

impl Counted {
    fn new(count: &'static AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `work` on the blocking pool and returns its result. A panic of `work` goes on in the caller.
///
/// If the future is dropped before its first poll, `work` never runs. If it is dropped later, work
/// that has begun runs to its end.
///
/// # Errors
///
/// [`BlockingPoolError`] if the runtime shuts down before the work begins, or if no thread can be
/// started and the pool has none. `work` was dropped and never runs.
///
/// # Panics
///
/// If `work` panics, or outside a tokio runtime.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingPoolError> {
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        // The receiver is gone if the caller's future was dropped.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    };
    if spawn(&Handle::current(), work).is_err() {
        return Err(BlockingPoolError::NoThread);
    }
    match receiver.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(BlockingPoolError::Closed),
    }
}

/// Starts `work` on the blocking pool and does not wait for it. Outside a tokio runtime, and if no
/// thread can be started, runs it on the caller's thread.
pub fn detach(work: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => {
            if let Err(work) = spawn(&runtime, work) {
                work();
            }
        }
        Err(_) => work(),
    }
}

/// Hands `work` to the pool, or returns it if the pool has no thread for it.
fn spawn<W: FnOnce() + Send + 'static>(runtime: &Handle, work: W) -> Result<(), W> {
    if NO_THREAD.load(Ordering::Relaxed) {
        let Ok(probe) = thread::Builder::new().spawn(|| ()) else {
            return Err(work);
        };
        // Ends at once. Until then it may be the one thread that the pool needs.
        let _ = probe.join();
        NO_THREAD.store(false, Ordering::Relaxed);
    }
    let slot = Arc::new(Mutex::new(Some(work)));
    let queued = Arc::clone(&slot);
    let waiting = Counted::new(&WAITING);
    let spawned = catch_unwind(AssertUnwindSafe(|| {
        drop(runtime.spawn_blocking(move || {
            drop(waiting);
            if let Some(work) = take(&queued) {
                let _running = Counted::new(&RUNNING);
                work();
            }
        }));
    }));
    if spawned.is_ok() {
        return Ok(());
    }
    NO_THREAD.store(true, Ordering::Relaxed);
    // If the slot is empty, another caller has got a thread by now, and that thread runs the work.
    take(&slot).map_or(Ok(()), Err)
}

fn take<W>(slot: &Mutex<Option<W>>) -> Option<W> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
