//! A request's body. Counts its bytes and enforces the minimum throughput.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use metrics::Counter;

use super::body_rest::{BodyRest, UnreadBody};
use super::min_throughput::MinThroughput;

/// What the request log says about a body.
#[derive(Debug)]
pub(super) struct BodyProgress {
    /// The bytes that the service has received.
    pub(super) bytes: AtomicU64,
    /// Whether the client disconnected before the end of the body.
    pub(super) is_cut: AtomicBool,
    received: Counter,
}

impl BodyProgress {
    /// `received` also counts the bytes.
    pub(super) fn new(received: Counter) -> Self {
        Self {
            bytes: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            received,
        }
    }
}

/// The body of a request, as the service receives it.
///
/// If the client sends too slowly, the body ends with an [`io::Error`] of the kind `TimedOut`. Time
/// during which the service does not poll the body does not count, and neither does a pause of the server.
///
/// A service may respond without reading the body to its end. Over HTTP/1.1, the server then discards
/// a rest of at most 64 KiB that arrives soon, or adds `Connection: close` to the response. Over HTTP/2,
/// it discards the rest for a moment before it resets the stream.
#[derive(Debug)]
pub struct RequestBody {
    /// `None` only while this is dropped.
    body: Option<Incoming>,
    throughput: MinThroughput,
    progress: Arc<BodyProgress>,
    /// `None` once the outcome is recorded. An empty body has none.
    rest: Option<Arc<BodyRest>>,
    polled: bool,
    timed_out: bool,
}

impl RequestBody {
    pub(super) fn new(
        body: Incoming,
        throughput: MinThroughput,
        progress: Arc<BodyProgress>,
        rest: Option<Arc<BodyRest>>,
    ) -> Self {
        Self {
            body: Some(body),
            throughput,
            progress,
            rest,
            polled: false,
            timed_out: false,
        }
    }

    fn record_end(&mut self, complete: bool) {
        if let Some(rest) = self.rest.take() {
            rest.record_end(complete);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        this.polled = true;
        match Pin::new(&mut *body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.throughput.record_bytes(length);
                let bytes = &this.progress.bytes;
                bytes.fetch_add(length as u64, Ordering::Relaxed);
                this.progress.received.increment(length as u64);
                if body.is_end_stream() {
                    this.record_end(true);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.record_end(false);
                if is_disconnect(&error) {
                    this.progress.is_cut.store(true, Ordering::Relaxed);
                }
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                this.record_end(true);
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(this.throughput.poll_timeout(context));
                this.timed_out = true;
                let slow = "the client sends the request body too slowly";
                let error = io::Error::new(io::ErrorKind::TimedOut, slow);
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(rest), Some(body)) = (self.rest.take(), self.body.take()) {
            rest.record_drop(UnreadBody {
                body,
                polled: self.polled,
                timed_out: self.timed_out,
            });
        }
    }
}

/// Whether the client ended the connection or, over HTTP/2, the stream. Other errors of hyper are those of
/// malformed chunks, which have these kinds.
fn is_disconnect(error: &hyper::Error) -> bool {
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    let mut errors = sources.filter_map(|source| source.downcast_ref::<io::Error>());
    !errors.any(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
        )
    })
}
