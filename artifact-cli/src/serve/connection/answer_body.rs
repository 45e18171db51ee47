//! An answer's body on its way out: counted, and watched where only the client's silence tells that
//! it is not taken.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::limits::Limits;
use super::pace::time_for;
use super::pulse::{InFlight, Pulse};
use super::record::Record;

/// The body of an answer. The request is over, and its line in the log written, when it is dropped.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: Body,
    watch: Option<Arc<Watch>>,
    record: Record,
    limits: Limits,
    // The last field: the line is in the log before the connection counts as idle.
    _in_flight: InFlight,
}

/// By when the client must have asked for more. `None` while it is us who are waited for.
#[derive(Debug, Default)]
struct Watch(Mutex<Option<Instant>>);

impl Watch {
    fn set(&self, deadline: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnswerBody {
    /// `multiplexed`: whether the connection carries several answers at once. There a client that
    /// takes nothing of one of them does not block the connection, where that would be noticed.
    pub(super) fn new(
        body: Body,
        multiplexed: bool,
        limits: Limits,
        record: Record,
        in_flight: InFlight,
    ) -> Self {
        let watched = multiplexed && limits.rate > 0 && !body.is_end_stream();
        let watch = watched.then(|| {
            let watch = Arc::new(Watch::default());
            let pulse = Arc::clone(in_flight.pulse());
            tokio::spawn(look_after(Arc::downgrade(&watch), pulse, limits));
            watch
        });
        let mut record = record;
        record.ended(body.is_end_stream());
        Self {
            body,
            watch,
            record,
            limits,
            _in_flight: in_flight,
        }
    }
}

/// Cuts the connection when a piece was given out and no other is asked for within the window and
/// the time that the piece takes at the least rate.
async fn look_after(watch: Weak<Watch>, pulse: Arc<Pulse>, limits: Limits) {
    loop {
        let Some(deadline) = watch.upgrade().map(|watch| watch.get()) else {
            return;
        };
        let deadline = deadline.unwrap_or_else(|| Instant::now() + limits.window);
        sleep_until(deadline).await;
        let late = watch.upgrade().and_then(|watch| watch.get());
        if late.is_some_and(|late| late <= Instant::now()) {
            tracing::debug!("a client does not take an answer; the connection is cut");
            pulse.cut();
            return;
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let polled = this
            .record
            .span
            .in_scope(|| Pin::new(&mut this.body).poll_frame(context));
        let mut given = 0;
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                given = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.record.bytes_out += given;
                this.record.ended(this.body.is_end_stream());
            }
            Poll::Ready(None) => this.record.ended(true),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        if let Some(watch) = &this.watch {
            let patience = this.limits.window + time_for(given, this.limits.rate);
            watch.set(polled.is_ready().then(|| Instant::now() + patience));
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
