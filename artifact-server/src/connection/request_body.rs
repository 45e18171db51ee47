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

use super::min_throughput::MinThroughput;

/// What the request log says about a body.
#[derive(Debug, Default)]
pub(super) struct BodyProgress {
    /// The bytes that the service has received.
    pub(super) bytes: AtomicU64,
    /// Whether the client disconnected before the end of the body.
    pub(super) is_cut: AtomicBool,
}

/// The body of a request, as the service receives it.
///
/// If the client sends too slowly, the body ends with an [`io::Error`] of the kind `TimedOut`. Time
/// during which the service does not poll the body does not count.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    throughput: MinThroughput,
    progress: Arc<BodyProgress>,
}

impl RequestBody {
    pub(super) fn new(
        body: Incoming,
        throughput: MinThroughput,
        progress: Arc<BodyProgress>,
    ) -> Self {
        Self {
            body,
            throughput,
            progress,
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
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.throughput.record_bytes(length);
                let bytes = &this.progress.bytes;
                bytes.fetch_add(length as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                if is_disconnect(&error) {
                    this.progress.is_cut.store(true, Ordering::Relaxed);
                }
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(this.throughput.poll_timeout(context));
                let slow = "the client sends the request body too slowly";
                let error = io::Error::new(io::ErrorKind::TimedOut, slow);
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
