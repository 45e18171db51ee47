//! Reads the bytes of an open blob. If the connection breaks, the read resumes at the next byte.

use std::sync::Arc;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::timeout;

use crate::error::{Outcome, RequestError};
use crate::open::OpenBlob;
use crate::retry::Retry;
use crate::shared::Bucket;

/// How many response bodies in a row may break without delivering a byte.
const MAX_BREAKS: u32 = 5;

/// The maximum size of a chunk in bytes. A store in memory returns a whole blob as one chunk.
const MAX_CHUNK_BYTES: usize = 1 << 20;

struct BlobReader {
    bucket: Arc<Bucket>,
    operation: Operation,
    id: ArtifactId,
    blob: OpenBlob,
    breaks: u32,
    /// Bytes that have arrived but are not returned yet.
    buffered: Bytes,
}

/// Returns the bytes of an open blob.
///
/// The stream ends after the last byte of the range, or with an error. If a body breaks, stalls or
/// ends early, it is resumed at the next byte, provided that the object still has the same e-tag and
/// size.
pub(crate) fn stream(
    bucket: Arc<Bucket>,
    operation: Operation,
    id: ArtifactId,
    blob: OpenBlob,
) -> BoxStream<'static, Result<Bytes>> {
    let reader = BlobReader {
        bucket,
        operation,
        id,
        blob,
        breaks: 0,
        buffered: Bytes::new(),
    };
    stream::try_unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Ok(chunk.map(|chunk| (chunk, reader)))
    })
    .boxed()
}

impl BlobReader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let remaining = self.blob.range.end - self.blob.range.start;
            if remaining == 0 {
                return Ok(None);
            }
            if !self.buffered.is_empty() {
                let length = self.buffered.len().min(MAX_CHUNK_BYTES);
                let chunk = self.buffered.split_to(length);
                self.blob.range.start += chunk.len() as u64;
                return Ok(Some(chunk));
            }
            let next = timeout(self.bucket.config.read_timeout, self.blob.stream.next());
            let error = match next.await {
                Ok(Some(Ok(chunk))) => {
                    if chunk.len() as u64 > remaining {
                        let detail = "the storage sent more bytes than requested";
                        return Err(Error::new(ErrorKind::Corrupt, self.operation)
                            .with_id(self.id)
                            .with_detail(detail));
                    }
                    if !chunk.is_empty() {
                        self.breaks = 0;
                        self.buffered = chunk;
                    }
                    continue;
                }
                Ok(Some(Err(error))) => RequestError::from(error),
                Ok(None) => broken("the response body ended early"),
                Err(_) => broken("the response body stalled"),
            };
            self.breaks += 1;
            if self.breaks > MAX_BREAKS || !self.bucket.capabilities.is_cloud {
                let kind = ErrorKind::Unavailable;
                return Err(error.into_error_of_kind(kind, self.operation, Some(self.id)));
            }
            self.resume().await?;
        }
    }

    /// Requests the remaining bytes of the same object.
    async fn resume(&mut self) -> Result<()> {
        if self.breaks > 1 {
            Retry::within(self.bucket.config.deadline).pause().await;
        }
        let range = self.blob.range.clone();
        self.blob = self
            .bucket
            .open_same(self.operation, self.id, &self.blob.meta, range)
            .await?;
        Ok(())
    }
}

fn broken(detail: &'static str) -> RequestError {
    RequestError::new(Outcome::Unknown, ErrorKind::Unavailable, detail)
}
