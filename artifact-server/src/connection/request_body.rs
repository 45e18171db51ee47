//! A request's body. Counts its bytes and enforces the minimum throughput.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::min_throughput::MinThroughput;

/// The body of a request, as the service receives it.
///
/// If the client sends too slowly, the body ends with an [`io::Error`] of the kind `TimedOut`. Time
/// during which the service does not poll the body does not count.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    throughput: MinThroughput,
    bytes: Arc<AtomicU64>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, throughput: MinThroughput, bytes: Arc<AtomicU64>) -> Self {
        Self {
            body,
            throughput,
            bytes,
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
                this.bytes.fetch_add(length as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
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
