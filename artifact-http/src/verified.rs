//! Bytes on their way to a client, so that no client takes less, or something else, for the whole.

use artifact_backend::{ArtifactId, Download, ErrorKind};
use axum::body::Body;
use futures_util::TryStreamExt;

/// What an operator is woken by: the field `alarm` of a line of the log at level error.
pub(crate) const CORRUPT_BLOB: &str = "corrupt-blob";

/// Why a body ended before its end. The connection is then cut: no end of the body is sent.
#[derive(Debug, thiserror::Error)]
#[error("the artifact could not be read to its end")]
struct Broken;

/// The body of a fetch. The store counts and verifies what it reads, and holds the last piece back until
/// it knows that all is right; so what is left to do is to end badly where it does.
pub(crate) fn body(download: Download, id: ArtifactId) -> Body {
    Body::from_stream(download.map_err(move |error| {
        // A disk or a network that fails loses no artifact; a blob with other bytes does.
        let corrupt = error.kind() == ErrorKind::Corrupt;
        tracing::error!(
            alarm = corrupt.then_some(CORRUPT_BLOB),
            %id,
            error = &error as &dyn std::error::Error,
            "an artifact broke off while it was sent; the connection is cut"
        );
        Broken
    }))
}
