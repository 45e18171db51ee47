//! Cooperative scheduling: an async thread that reads cached bytes lets other tasks run in between.

use std::cell::Cell;

/// The cost of a read, in bytes of copying.
const OPERATION: u64 = 16 << 10;
/// The number of bytes after which a thread serves its timers and sockets: about 0.2 milliseconds of copying.
const BUDGET: u64 = 2 << 20;

thread_local! {
    static SPENT: Cell<u64> = const { Cell::new(0) };
}

/// Charges a read of `bytes` bytes to this thread's budget, and yields when it is used up.
pub(crate) async fn charge(bytes: u64) {
    let spent = SPENT.get() + OPERATION + bytes;
    if spent < BUDGET {
        SPENT.set(spent);
    } else {
        SPENT.set(0);
        tokio::task::yield_now().await;
    }
}
