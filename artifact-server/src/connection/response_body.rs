//! A response's body. Counts its bytes and notices an HTTP/2 client that does not read it.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::min_throughput::time_for;
use super::request_record::RequestRecord;
use super::state::{ConnectionState, OpenRequest};
use crate::client_timeout::ClientTimeout;
use crate::config::ServerConfig;

/// The body of a response, from the service or from a rejection. Dropping it ends the request and writes
/// its log line.
#[derive(Debug)]
pub(crate) struct ResponseBody<B> {
    body: Either<B, Full<Bytes>>,
    watchdog: Option<Watchdog>,
    record: RequestRecord,
    config: ServerConfig,
    // The last field: the line is logged before the connection counts as idle.
    _open: OpenRequest,
}

/// The time by which the client must accept more data. `None` while the body waits for the service.
#[derive(Debug)]
struct Deadline(Mutex<Option<Instant>>);

impl Deadline {
    fn set(&self, deadline: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that enforces the deadline. It ends with the body.
#[derive(Debug)]
struct Watchdog {
    deadline: Arc<Deadline>,
    task: AbortHandle,
}

impl Watchdog {
    fn start(state: Arc<ConnectionState>, window: Duration) -> Self {
        // hyper polls even the first frame only once the client has room for it.
        let deadline = Arc::new(Deadline(Mutex::new(Some(Instant::now() + window))));
        let task = tokio::spawn(enforce(Arc::clone(&deadline), state, window));
        Self {
            deadline,
            task: task.abort_handle(),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Aborts the connection once the deadline has passed.
async fn enforce(deadline: Arc<Deadline>, state: Arc<ConnectionState>, window: Duration) {
    loop {
        let time = deadline.get().unwrap_or_else(|| Instant::now() + window);
        ClientTimeout::new(time.saturating_duration_since(Instant::now())).await;
        if deadline.get().is_some_and(|time| time <= Instant::now()) {
            tracing::debug!("aborting a connection: the client does not read a response");
            state.abort();
            return;
        }
    }
}

impl<B> ResponseBody<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    /// Creates the body of a response.
    ///
    /// `multiplexed` says whether the connection carries several responses at once. On such a
    /// connection, a client that stops reading one response does not block the underlying stream. The
    /// stream cannot detect that client, so a watchdog does.
    pub(super) fn new(
        body: Either<B, Full<Bytes>>,
        multiplexed: bool,
        config: ServerConfig,
        mut record: RequestRecord,
        open: OpenRequest,
    ) -> Self {
        let ended = body.is_end_stream();
        record.record_end(ended);
        let watched = multiplexed && config.min_throughput > 0 && !ended;
        let watchdog = watched
            .then(|| Watchdog::start(Arc::clone(open.connection()), config.throughput_window));
        Self {
            body,
            watchdog,
            record,
            config,
            _open: open,
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let polled = this
            .record
            .span
            .in_scope(|| Pin::new(&mut this.body).poll_frame(context));
        let mut length = 0;
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                length = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.record.bytes_out += length;
                this.record.record_end(this.body.is_end_stream());
            }
            Poll::Ready(None) => this.record.record_end(true),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        if let Some(Watchdog { deadline, .. }) = &this.watchdog {
            let limit =
                this.config.throughput_window + time_for(length, this.config.min_throughput);
            deadline.set(polled.is_ready().then(|| Instant::now() + limit));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
