//! Cooperative scheduling: an async thread that reads cached files lets other tasks run in between.

use std::cell::Cell;

/// The cost of opening and inspecting a blob, in bytes of copying.
const OPERATION: u64 = 32 << 10;
/// The number of bytes after which a thread serves its timers and sockets: about 0.2 milliseconds of
/// copying. Serving them takes 10 to 20 microseconds; a smaller budget would cost small loads a fifth
/// of their rate.
const BUDGET: u64 = 2 << 20;

thread_local! {
    static SPENT: Cell<u64> = const { Cell::new(0) };
}

/// Charges an operation of `bytes` bytes to this thread's budget, and yields when it is used up.
///
/// It yields by [`yield_now`](tokio::task::yield_now), not by tokio's own budget. After `yield_now`,
/// the thread serves its timers before it runs the task again. A task that has used up tokio's budget
/// goes to the end of the queue, and the thread runs up to 61 tasks before it serves its timers.
pub(crate) async fn charge(bytes: u64) {
    let spent = SPENT.get() + OPERATION + bytes;
    if spent < BUDGET {
        SPENT.set(spent);
    } else {
        SPENT.set(0);
        tokio::task::yield_now().await;
    }
}
