//! Where the bytes of a deposit are.

use artifact_backend::Sha256Digest;
use bytes::BytesMut;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::Hasher;
use crate::idempotency::Repeated;
use crate::streaming::Streaming;

#[derive(Debug)]
pub(super) enum State {
    Collecting(BytesMut),
    Streaming(Box<Streaming>),
    /// An earlier deposit has the same key.
    Repeated(Box<Repeated>),
    /// A call failed, was dropped, or is running.
    Unusable,
}

impl State {
    pub(super) async fn abort_after(self, cause: Error) -> Error {
        match self {
            Self::Streaming(streaming) => streaming.abort_after(cause).await,
            Self::Collecting(_) | Self::Repeated(_) => cause,
            Self::Unusable => unusable(),
        }
    }

    /// Removes the bytes of the deposit, and returns their SHA-256.
    pub(super) async fn discard(self) -> Result<Sha256Digest> {
        match self {
            Self::Collecting(collected) => {
                let hashed = Hasher::default().update(collected.freeze()).await?;
                Ok(hashed.finish().sha256)
            }
            Self::Streaming(streaming) => streaming.discard().await,
            Self::Repeated(_) | Self::Unusable => Err(unusable()),
        }
    }
}

pub(super) fn unusable() -> Error {
    Error::new(ErrorKind::Unexpected, Operation::Deposit)
        .with_detail("an earlier call on this deposit failed or was dropped; begin a new deposit")
}
