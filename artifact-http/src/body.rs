//! The body of a fetch.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use artifact_backend::{ArtifactId, Download};
use axum::body::Body;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body::{Frame, SizeHint};
use http_body_util::Full;

use crate::concurrency_limiter::Permit;

/// The reason why a body ended early. The server closes the connection without completing the body.
#[derive(Debug, thiserror::Error)]
#[error("the artifact could not be read to its end")]
struct Aborted;

/// Streams a download to the client, and aborts the response if the store reports an error. The
/// store counts and verifies the bytes and withholds the last chunk until they are known to be right,
/// so no client can take an aborted response for the whole artifact.
///
/// Bytes in memory are sent as they are. The permit is returned when the body is dropped, which servers do
/// once they have all of it or the client is gone.
pub(crate) fn stream(mut download: Download, id: ArtifactId, permit: Permit) -> Body {
    if let Some(bytes) = download.take_in_memory() {
        return Body::new(InMemory {
            bytes: Full::new(bytes),
            _permit: permit,
        });
    }
    Body::from_stream(download.map_err(move |error| {
        let _permit = &permit;
        // If the artifact is damaged, the store has raised the alarm.
        tracing::error!(
            %id,
            error = &error as &dyn Error,
            "reading an artifact failed while it was sent; the connection is closed"
        );
        Aborted
    }))
}

/// A body in memory that holds a permit until it is dropped.
struct InMemory {
    bytes: Full<Bytes>,
    _permit: Permit,
}

impl http_body::Body for InMemory {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.bytes).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.bytes.size_hint()
    }
}
