//! Bytes on their way to a client, so that no client takes less, or something else, for the whole.

use std::sync::Arc;

use artifact_backend::{Download, ErrorKind};
use artifact_store::Row;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest, Sha256};

/// What an operator is woken by: the field `alarm` of a line of the log at level error.
pub(crate) const CORRUPT_BLOB: &str = "corrupt-blob";

/// Why a body ended before its end. The connection is then cut: no end of the body is sent.
#[derive(Debug, thiserror::Error)]
#[error("the artifact could not be read to its end")]
struct Broken;

struct State {
    download: Download,
    row: Arc<Row>,
    /// `None` for a part of the artifact, whose digest is not recorded.
    hasher: Option<Sha256>,
    /// The last piece so far. It is held back until what comes after it is known, so that an
    /// artifact that is not what was deposited never ends well.
    held: Option<Bytes>,
    over: bool,
}

/// The body of a fetch. A whole artifact is checked against the SHA-256 of its row.
pub(crate) fn body(download: Download, row: Arc<Row>) -> Body {
    let whole = download.range() == (0..row.size);
    let state = State {
        download,
        row,
        hasher: whole.then(Sha256::new),
        held: None,
        over: false,
    };
    Body::from_stream(stream::unfold(state, |mut state| async move {
        let item = state.next().await?;
        Some((item, state))
    }))
}

impl State {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        while !self.over {
            match self.download.next().await {
                Some(Ok(piece)) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&piece);
                    }
                    if let Some(before) = self.held.replace(piece) {
                        return Some(Ok(before));
                    }
                }
                Some(Err(error)) => {
                    self.over = true;
                    // A disk or a network that fails loses no artifact; a blob of another size does.
                    let corrupt = error.kind() == ErrorKind::Corrupt;
                    tracing::error!(
                        alarm = corrupt.then_some(CORRUPT_BLOB),
                        id = %self.row.id,
                        error = &error as &dyn std::error::Error,
                        "an artifact broke off while it was sent; the connection is cut"
                    );
                    return Some(Err(Broken));
                }
                None => {
                    self.over = true;
                    if let Some(hasher) = self.hasher.take() {
                        let found: [u8; 32] = hasher.finalize().into();
                        if found != *self.row.sha256.as_bytes() {
                            tracing::error!(
                                alarm = CORRUPT_BLOB,
                                id = %self.row.id,
                                recorded = %self.row.sha256,
                                found = %artifact_backend::Sha256Digest::from_bytes(found),
                                "an artifact is not what was deposited; the connection is cut"
                            );
                            return Some(Err(Broken));
                        }
                    }
                    return self.held.take().map(Ok);
                }
            }
        }
        None
    }
}
