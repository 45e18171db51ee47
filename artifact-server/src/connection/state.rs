//! The state of one connection, shared by the parts that each see only one side of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Tracks the requests on a connection and carries orders to end it.
///
/// Shared by the stream, which sees bytes; the service, which sees requests; the task, which can end
/// the connection; and the limiter, which may want it to end.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    requests: Mutex<Requests>,
    /// Whether the header that arrived last has two framings.
    two_framings: AtomicBool,
    /// Whether the connection carries several requests at once.
    multiplexed: AtomicBool,
    /// Pieces of responses that the HTTP/2 implementation has not written yet.
    unsent: AtomicUsize,
    /// Whether bytes were written over HTTP/2 that were not flushed.
    unflushed: AtomicBool,
    /// Whether the last request over HTTP/1.1 has a body that was not received to its end.
    receiving: AtomicBool,
    draining: AtomicBool,
    closing: AtomicBool,
    graceful: Notify,
    idle: Notify,
    abort: Notify,
}

#[derive(Debug)]
struct Requests {
    open: usize,
    /// Requests since the connection began.
    total: u64,
    /// Whether all responses have been written.
    flushed: bool,
    idle_since: Instant,
}

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shutdown {
    /// After the open requests.
    Graceful,
    /// Now, unless a request is open.
    Idle,
    /// Now.
    Abort,
}

impl ConnectionState {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            requests: Mutex::new(Requests {
                open: 0,
                total: 0,
                flushed: true,
                idle_since: Instant::now(),
            }),
            two_framings: AtomicBool::new(false),
            multiplexed: AtomicBool::new(false),
            unsent: AtomicUsize::new(0),
            unflushed: AtomicBool::new(false),
            receiving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            graceful: Notify::new(),
            idle: Notify::new(),
            abort: Notify::new(),
        })
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        // Each change is one step, so a panic cannot leave the state inconsistent.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request as open until the returned value is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>) -> OpenRequest {
        let mut requests = self.requests();
        requests.open += 1;
        requests.total += 1;
        requests.flushed = false;
        drop(requests);
        OpenRequest(Arc::clone(self))
    }

    /// Records that the next request has two framings.
    pub(super) fn record_two_framings(&self) {
        self.two_framings.store(true, Ordering::Relaxed);
    }

    /// Returns whether the request that begins now has two framings.
    pub(super) fn take_two_framings(&self) -> bool {
        // Both calls come from the task of the connection.
        self.two_framings.load(Ordering::Relaxed)
            && self.two_framings.swap(false, Ordering::Relaxed)
    }

    /// Returns the number of requests since the connection began; whether none is open; and whether
    /// all responses have been written.
    pub(super) fn progress(&self) -> (u64, bool, bool) {
        let requests = self.requests();
        (requests.total, requests.open == 0, requests.flushed)
    }

    /// Records that all bytes written so far were flushed.
    pub(crate) fn record_flush(&self) {
        let mut requests = self.requests();
        requests.flushed = requests.open == 0;
    }

    /// Returns since when no request has been open; `None` if a request is open or a response is not
    /// fully written. Bytes that are written while it is `Some` are not part of a response.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let requests = self.requests();
        let written = if self.multiplexed.load(Ordering::Acquire) {
            // The last flush can come before the request counts as closed.
            self.unsent.load(Ordering::Acquire) == 0 && !self.unflushed.load(Ordering::Acquire)
        } else {
            requests.flushed
        };
        (requests.open == 0 && written).then_some(requests.idle_since)
    }

    /// Records that the connection carries several requests at once.
    pub(super) fn set_multiplexed(&self) {
        self.multiplexed.store(true, Ordering::Release);
    }

    /// Counts a piece of a response as unsent until the returned value is dropped.
    pub(super) fn begin_piece(self: &Arc<Self>) -> UnsentPiece {
        self.unsent.fetch_add(1, Ordering::AcqRel);
        UnsentPiece(Arc::clone(self))
    }

    /// Records whether bytes were written over HTTP/2 that were not flushed.
    pub(super) fn set_unflushed(&self, unflushed: bool) {
        self.unflushed.store(unflushed, Ordering::Release);
    }

    /// Records whether the body of a request is still being received.
    pub(super) fn set_receiving(&self, receiving: bool) {
        self.receiving.store(receiving, Ordering::Release);
    }

    pub(super) fn is_receiving(&self) -> bool {
        self.receiving.load(Ordering::Acquire)
    }

    /// Makes a connection over HTTP/1.1 end once it has no open request, also in the middle of a header.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Makes a connection over HTTP/2 end as if the client had closed it.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Ends the connection after the open requests.
    pub(super) fn close_gracefully(&self) {
        self.graceful.notify_one();
    }

    /// Ends the connection unless a request is open.
    pub(crate) fn close_if_idle(&self) {
        self.idle.notify_one();
    }

    /// Waits for [`close_if_idle`](Self::close_if_idle).
    pub(crate) async fn wait_for_close_if_idle(&self) {
        self.idle.notified().await;
    }

    /// Ends the connection now.
    pub(super) fn abort(&self) {
        self.abort.notify_one();
    }

    /// Waits for an order to end the connection.
    pub(super) async fn wait_for_shutdown(&self) -> Shutdown {
        tokio::select! {
            biased;
            () = self.abort.notified() => Shutdown::Abort,
            () = self.idle.notified() => Shutdown::Idle,
            () = self.graceful.notified() => Shutdown::Graceful,
        }
    }
}

/// A piece of a response that the HTTP/2 implementation has not written yet.
#[derive(Debug)]
pub(super) struct UnsentPiece(Arc<ConnectionState>);

impl Drop for UnsentPiece {
    fn drop(&mut self) {
        self.0.unsent.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An open request, from its header to the last byte of its response.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<ConnectionState>);

impl OpenRequest {
    pub(super) fn connection(&self) -> &Arc<ConnectionState> {
        &self.0
    }
}

/// The request stays open until the last clone is dropped.
impl Clone for OpenRequest {
    fn clone(&self) -> Self {
        self.0.requests().open += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut requests = self.0.requests();
        requests.open -= 1;
        requests.idle_since = Instant::now();
    }
}
