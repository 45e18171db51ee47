//! What a service left unread of a request's body.
//!
//! A client that still sends may lose the response if the connection, or the HTTP/2 stream, is reset at once
//! (RFC 9112, section 9.6; RFC 9113, section 8.1). curl 7.88 then reports an error instead of the status.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::state::{ConnectionState, OpenRequest};
use crate::client_timeout::ClientTimeout;
use crate::lingering_close::{MAX_LINGER, QUIET};

/// The maximum rest of a body over HTTP/1.1, in bytes, that is discarded to keep the connection.
const SMALL: u64 = 64 << 10;

/// How far the body of a request was received. Shared by the body and the service that responds.
#[derive(Debug)]
pub(super) struct BodyRest {
    connection: Arc<ConnectionState>,
    outcome: Mutex<Outcome>,
}

/// What became of a body so far.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The service may still read it.
    Held,
    /// It was received to its end.
    Complete,
    /// The connection failed, or the client broke the framing.
    Broken,
    /// The service dropped it.
    Unread(UnreadBody),
}

/// A body that the service did not read to its end.
#[derive(Debug)]
pub(super) struct UnreadBody {
    pub(super) body: Incoming,
    /// Whether the service has requested it, which sends `100 Continue`.
    pub(super) polled: bool,
    pub(super) timed_out: bool,
}

impl BodyRest {
    pub(super) fn new(connection: Arc<ConnectionState>) -> Arc<Self> {
        connection.set_receiving(true);
        Arc::new(Self {
            connection,
            outcome: Mutex::new(Outcome::Held),
        })
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        // Each change is one assignment, so a panic leaves no inconsistent state.
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record_end(&self, complete: bool) {
        *self.outcome() = if complete {
            Outcome::Complete
        } else {
            Outcome::Broken
        };
        self.connection.set_receiving(false);
    }

    pub(super) fn record_drop(&self, unread: UnreadBody) {
        *self.outcome() = Outcome::Unread(unread);
    }

    /// Returns the outcome at the time of the response.
    pub(super) fn take(&self) -> Outcome {
        std::mem::replace(&mut *self.outcome(), Outcome::Held)
    }

    /// Over HTTP/1.1: returns whether the connection can serve another request after the response. A
    /// small rest that arrives soon is discarded for this. `expects` is whether the client waits for
    /// `100 Continue` before it sends the body.
    pub(super) async fn keeps_connection(&self, expects: bool) -> bool {
        match self.take() {
            Outcome::Held | Outcome::Complete => true,
            Outcome::Broken => false,
            Outcome::Unread(unread) => {
                let may_arrive = !unread.timed_out && (unread.polled || !expects);
                let kept = may_arrive && discard_small(unread.body).await;
                self.connection.set_receiving(false);
                kept
            }
        }
    }

    /// Over HTTP/2: discards the rest for a moment, in a task, so that the stream is reset only after the
    /// client could read the response. The request stays open meanwhile.
    pub(super) fn discard(&self, request: &OpenRequest) {
        if let Outcome::Unread(unread) = self.take() {
            tokio::spawn(discard_for_a_moment(unread.body, request.clone()));
        }
    }
}

/// Receives and discards a body. Returns whether it ended within a short time and [`SMALL`] bytes.
async fn discard_small(mut body: Incoming) -> bool {
    if body.size_hint().lower() > SMALL {
        return false;
    }
    let receive = async {
        let mut left = SMALL;
        while let Some(frame) = body.frame().await {
            let length = frame.ok()?.data_ref().map_or(0, Bytes::len) as u64;
            left = left.checked_sub(length)?;
        }
        Some(())
    };
    tokio::select! {
        biased;
        received = receive => received.is_some(),
        () = ClientTimeout::new(QUIET) => false,
    }
}

/// Receives and discards a body until it ends or the client is silent, at most for [`MAX_LINGER`].
async fn discard_for_a_moment(mut body: Incoming, _request: OpenRequest) {
    let mut quiet = pin!(ClientTimeout::new(QUIET));
    let mut total = pin!(ClientTimeout::new(MAX_LINGER));
    loop {
        tokio::select! {
            biased;
            () = total.as_mut() => return,
            frame = body.frame() => match frame {
                Some(Ok(_)) => quiet.as_mut().reset(QUIET),
                _ => return,
            },
            () = quiet.as_mut() => return,
        }
    }
}
