//! Convenience methods for callers of a backend.

use std::future::{Future, poll_fn};
use std::pin::pin;

use bytes::Bytes;
use futures_core::Stream;

use crate::backend::ArtifactBackend;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::id::ArtifactId;
use crate::layer::Layer;
use crate::range::ByteRange;

/// Convenience methods that every backend has through a blanket impl.
pub trait ArtifactBackendExt: ArtifactBackend {
    /// Wraps this backend in a layer. The layer applied last gets each call first.
    fn layer<L: Layer<Self>>(self, layer: L) -> L::Backend
    where
        Self: Sized,
    {
        layer.layer(self)
    }

    /// Loads a blob into memory if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) before any byte is read, otherwise as for
    /// [`load`](ArtifactBackend::load).
    fn load_within(
        &self,
        id: ArtifactId,
        limit: u64,
    ) -> impl Future<Output = Result<Bytes>> + Send {
        async move {
            let download = self.download(id, ByteRange::Full).await?;
            if download.size() > limit {
                let detail = format!(
                    "the blob has {} bytes, but the limit is {limit}",
                    download.size()
                );
                return Err(Error::new(ErrorKind::TooLarge, Operation::Load)
                    .with_id(id)
                    .with_detail(detail));
            }
            download.into_bytes().await
        }
    }

    /// Loads a range of a blob into memory.
    ///
    /// # Errors
    ///
    /// As for [`download`](ArtifactBackend::download).
    fn load_range(
        &self,
        id: ArtifactId,
        range: ByteRange,
    ) -> impl Future<Output = Result<Bytes>> + Send {
        async move { self.download(id, range).await?.into_bytes().await }
    }

    /// Uploads all chunks of a stream, commits, and returns the number of bytes.
    ///
    /// An error of the stream aborts the upload. A dropped future leaves nothing or the whole blob.
    ///
    /// # Errors
    ///
    /// The error of the stream or of the backend.
    fn upload_stream<S, E>(
        &self,
        id: ArtifactId,
        stream: S,
    ) -> impl Future<Output = Result<u64, StreamUploadError<E>>> + Send
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        async move {
            let mut stream = pin!(stream);
            let mut upload = self.upload(id).await.map_err(StreamUploadError::Backend)?;
            let mut size = 0;
            while let Some(chunk) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
                let written = match chunk {
                    Ok(chunk) => {
                        size += chunk.len() as u64;
                        upload
                            .write(chunk)
                            .await
                            .map_err(StreamUploadError::Backend)
                    }
                    Err(error) => Err(StreamUploadError::Stream(error)),
                };
                if let Err(first) = written {
                    // The first error matters more; a failed abort leaves a leftover for `sweep`.
                    let _ = upload.abort().await;
                    return Err(first);
                }
            }
            upload.commit().await.map_err(StreamUploadError::Backend)?;
            Ok(size)
        }
    }
}

impl<B: ArtifactBackend + ?Sized> ArtifactBackendExt for B {}

/// Why [`ArtifactBackendExt::upload_stream`] failed.
#[derive(Debug, thiserror::Error)]
pub enum StreamUploadError<E> {
    /// The stream failed. The upload is aborted.
    #[error("the stream to upload failed")]
    Stream(#[source] E),
    /// The backend failed.
    #[error("the backend failed to store the upload")]
    Backend(#[source] Error),
}
