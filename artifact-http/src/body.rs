//! The body of a fetch.

use std::error::Error;

use artifact_backend::{ArtifactId, Download};
use axum::body::Body;
use futures_util::TryStreamExt;

use crate::concurrency_limiter::Permit;

/// The reason why a body ended early. The server closes the connection without completing the body.
#[derive(Debug, thiserror::Error)]
#[error("the artifact could not be read to its end")]
struct Aborted;

/// Streams a download to the client, and aborts the response if the store reports an error. The
/// store counts and verifies the bytes and withholds the last chunk until they are known to be right,
/// so no client can take an aborted response for the whole artifact.
///
/// The permit is returned when the body is dropped, which servers do once they have all of it or the
/// client is gone.
pub(crate) fn stream(download: Download, id: ArtifactId, permit: Permit) -> Body {
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
