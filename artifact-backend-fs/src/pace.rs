//! How long an async thread may read by itself before it lets others run.

use std::cell::Cell;

/// What opening and looking at a blob costs, as so many bytes of copying.
const OPERATION: u64 = 32 << 10;
/// After so much a thread looks after its timers and sockets: some two tenths of a millisecond. Doing so
/// takes 10 to 20 microseconds, so doing it more often costs small loads a fifth of their rate.
const QUANTUM: u64 = 2 << 20;

thread_local! {
    static SPENT: Cell<u64> = const { Cell::new(0) };
}

/// Counts an operation and its bytes against this thread, and yields where it has had its share.
///
/// Yielding by [`yield_now`](tokio::task::yield_now), not by tokio's budget: a task that yields so runs
/// again only after the thread has looked after its timers; one that is out of budget goes to the end of
/// the queue, which many such tasks go through 61 times before that.
pub(crate) async fn charge(bytes: u64) {
    let spent = SPENT.get() + OPERATION + bytes;
    if spent < QUANTUM {
        SPENT.set(spent);
    } else {
        SPENT.set(0);
        tokio::task::yield_now().await;
    }
}
