//! An answer's body on its way out: counted, and watched where only the client's silence tells that
//! it is not taken.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::limits::Limits;
use super::pace::time_for;
use super::pulse::{InFlight, Pulse};
use super::record::Record;

/// The body of an answer. The request is over, and its line in the log written, when it is dropped.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: Body,
    watch: Option<Watched>,
    record: Record,
    limits: Limits,
    // The last field: the line is in the log before the connection counts as idle.
    _in_flight: InFlight,
}

/// By when the client must have asked for more. `None` while it is us who are waited for.
#[derive(Debug)]
struct Watch(Mutex<Option<Instant>>);

/// The task that keeps the time ends with the body.
#[derive(Debug)]
struct Watched {
    watch: Arc<Watch>,
    task: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

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
            // The first piece too is asked for only once the client has room for it.
            let deadline = Instant::now() + limits.window;
            let watch = Arc::new(Watch(Mutex::new(Some(deadline))));
            let pulse = Arc::clone(in_flight.pulse());
            let task = tokio::spawn(look_after(Arc::clone(&watch), pulse, limits.window));
            let task = task.abort_handle();
            Watched { watch, task }
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
async fn look_after(watch: Arc<Watch>, pulse: Arc<Pulse>, window: Duration) {
    loop {
        let deadline = watch.get().unwrap_or_else(|| Instant::now() + window);
        sleep_until(deadline).await;
        if watch.get().is_some_and(|late| late <= Instant::now()) {
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
        if let Some(Watched { watch, .. }) = &this.watch {
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
