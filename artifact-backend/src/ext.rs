//! Conveniences over the contract, for callers; implementors need not know of them.

use std::future::{Future, poll_fn};
use std::pin::pin;

use bytes::Bytes;
use futures_core::Stream;

use crate::backend::ArtifactBackend;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::id::ArtifactId;
use crate::range::ByteRange;

/// Conveniences that every backend has, by a blanket impl.
pub trait ArtifactBackendExt: ArtifactBackend {
    /// Loads a blob into memory, unless it is larger than `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) before any byte is read; else as
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
                    "the blob has {} bytes, {limit} are allowed",
                    download.size()
                );
                return Err(Error::new(ErrorKind::TooLarge, Operation::Load)
                    .with_id(id)
                    .with_detail(detail));
            }
            download.into_bytes().await
        }
    }

    /// Loads a range of a blob into memory, as much as the range has bytes.
    ///
    /// # Errors
    ///
    /// As [`download`](ArtifactBackend::download).
    fn load_range(
        &self,
        id: ArtifactId,
        range: ByteRange,
    ) -> impl Future<Output = Result<Bytes>> + Send {
        async move { self.download(id, range).await?.into_bytes().await }
    }

    /// Uploads all pieces of a stream, commits, and tells how many bytes there were.
    ///
    /// The stream's own error aborts the upload and is given back as
    /// [`StreamUploadError::Stream`]. A dropped future leaves nothing or the whole blob.
    ///
    /// # Errors
    ///
    /// The stream's error or the backend's.
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
            while let Some(piece) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
                let written = match piece {
                    Ok(piece) => {
                        size += piece.len() as u64;
                        upload
                            .write(piece)
                            .await
                            .map_err(StreamUploadError::Backend)
                    }
                    Err(error) => Err(StreamUploadError::Stream(error)),
                };
                if let Err(first) = written {
                    // The first error is the one that counts; what could not be removed is swept.
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

/// Why [`ArtifactBackendExt::upload_stream`] failed: at its source, or at its goal.
#[derive(Debug, thiserror::Error)]
pub enum StreamUploadError<E> {
    /// The stream failed; the upload is aborted.
    #[error("the stream to upload failed")]
    Stream(#[source] E),
    /// The backend failed.
    #[error("the backend did not take the upload")]
    Backend(#[source] Error),
}
