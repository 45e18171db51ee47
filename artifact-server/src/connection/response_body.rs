//! A response's body. Counts its bytes, requests them from the service only when the connection can
//! take them, and notices an HTTP/2 client that does not read it.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::request_record::RequestRecord;
use super::send_progress::{BodyBytes, SendProgress};
use super::state::{ConnectionState, OpenRequest};
use crate::client_timeout::ClientTimeout;
use crate::config::ServerConfig;

/// The body of a response, from the service or from a rejection. Dropping it ends the request and writes
/// its log line.
#[derive(Debug)]
pub(crate) struct ResponseBody<B> {
    body: Either<B, Full<Bytes>>,
    /// The rest of the last piece from the service.
    rest: Bytes,
    /// The maximum size of a piece for hyper.
    max_piece: usize,
    /// `None` before the first piece over HTTP/1.1.
    progress: Option<Arc<SendProgress>>,
    config: ServerConfig,
    record: RequestRecord,
    _watchdog: Option<Watchdog>,
    // The last field: the line is logged before the connection counts as idle.
    _open: OpenRequest,
}

/// A task that aborts the connection if the client is too slow. It ends with the body.
#[derive(Debug)]
struct Watchdog(AbortHandle);

impl Watchdog {
    fn start(progress: Arc<SendProgress>, state: Arc<ConnectionState>) -> Self {
        let task = tokio::spawn(async move {
            while let Some(time) = progress.check_time() {
                ClientTimeout::new(time.saturating_duration_since(Instant::now())).await;
            }
            tracing::debug!("aborting a connection: the client does not read a response");
            state.abort();
        });
        Self(task.abort_handle())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.abort();
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
    /// stream cannot detect that client, so a watchdog does. The responses also share the client's
    /// window, so their pieces are small enough for each response to get its turn.
    pub(super) fn new(
        body: Either<B, Full<Bytes>>,
        multiplexed: bool,
        config: ServerConfig,
        mut record: RequestRecord,
        open: OpenRequest,
    ) -> Self {
        let ended = body.is_end_stream();
        record.record_end(ended);
        let progress = (multiplexed && !ended).then(|| SendProgress::new(&config));
        let watchdog = progress
            .clone()
            .filter(|_| config.min_throughput > 0)
            .map(|progress| Watchdog::start(progress, Arc::clone(open.connection())));
        Self {
            body,
            rest: Bytes::new(),
            max_piece: if multiplexed {
                config.unsent_bytes() as usize
            } else {
                usize::MAX
            },
            progress,
            config,
            record,
            _watchdog: watchdog,
            _open: open,
        }
    }

    /// Returns the next piece of `rest` as a frame.
    fn next_piece(&mut self) -> Frame<BodyBytes> {
        let piece = self.rest.split_to(self.rest.len().min(self.max_piece));
        self.record.count_sent(piece.len());
        self.record.record_end(self.is_end_stream());
        if self.progress.is_none() && !self.record.is_complete() {
            self.progress = Some(SendProgress::new(&self.config));
        }
        Frame::data(match &self.progress {
            Some(progress) => progress.hand_out(piece),
            None => BodyBytes::unrecorded(piece),
        })
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = BodyBytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<BodyBytes>, Self::Error>>> {
        let this = &mut *self;
        if let Some(progress) = &this.progress {
            ready!(progress.poll_room(context));
        }
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(this.next_piece())));
        }
        let polled = this
            .record
            .span
            .in_scope(|| Pin::new(&mut this.body).poll_frame(context));
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(bytes) => {
                    this.rest = bytes;
                    this.next_piece()
                }
                Err(frame) => {
                    this.record.record_end(this.body.is_end_stream());
                    frame.map_data(BodyBytes::unrecorded)
                }
            }))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => {
                this.record.record_end(true);
                Poll::Ready(None)
            }
            Poll::Pending => {
                if let Some(progress) = &this.progress {
                    progress.wait_for_service();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.body.size_hint();
        let mut all = SizeHint::new();
        all.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            all.set_upper(upper.saturating_add(rest));
        }
        all
    }
}
