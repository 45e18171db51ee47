//! Feeds the body of a request to the multipart parser, in chunks of a bounded size.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use artifact_backend::BoxError;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use crate::digest_fields::DigestCheck;
use crate::receive_error::{ReceiveError, ReceiveErrorKind};

/// The maximum length of a chunk.
const MAX_CHUNK: usize = 64 << 10;
/// Frames below this length that are ready at the same time are joined.
const SMALL: usize = 8 << 10;

/// The body of one deposit.
#[derive(Debug)]
pub(crate) struct Source<S> {
    body: S,
    /// The digests of the whole body that the request claims.
    digest: Option<DigestCheck>,
    /// The rest of the last frame.
    frame: Bytes,
    /// Small frames that are being joined.
    joined: BytesMut,
}

impl<S, E> Source<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<BoxError>,
{
    pub(crate) fn new(body: S, digest: Option<DigestCheck>) -> Self {
        Self {
            body,
            digest,
            frame: Bytes::new(),
            joined: BytesMut::new(),
        }
    }

    /// Returns the next frame, or `None` at the end of the body.
    ///
    /// Used outside the file, where no frame may be read that is not needed.
    pub(crate) async fn next_frame(&mut self) -> Result<Option<Bytes>, ReceiveError> {
        poll_fn(|context| {
            let more = ready!(self.poll_frame(context))?;
            Poll::Ready(Ok(more.then(|| self.take_frame())))
        })
        .await
    }

    /// Returns the next chunk of the file, or `None` at the end of the body. Small frames that are
    /// ready at the same time are joined, but no received byte waits for the next frame.
    pub(crate) async fn next_chunk(&mut self) -> Result<Option<Bytes>, ReceiveError> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    /// Checks that the whole body has the digests that the request claims. Call it once, at the end of the body.
    pub(crate) fn check_digest(&mut self) -> Result<(), ReceiveError> {
        if self.digest.take().is_none_or(DigestCheck::holds) {
            return Ok(());
        }
        Err(ReceiveError::new(
            ReceiveErrorKind::DigestMismatch,
            "the body is not what Content-Digest or Repr-Digest says",
        ))
    }

    fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ReceiveError>> {
        while self.joined.len() < SMALL {
            match self.poll_frame(context) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.joined.is_empty() => return Poll::Pending,
                Poll::Pending | Poll::Ready(Ok(false)) => break,
            }
            if self.joined.is_empty() && self.frame.len() >= SMALL {
                return Poll::Ready(Ok(Some(self.take_frame())));
            }
            let room = MAX_CHUNK - self.joined.len();
            let piece = self.frame.split_to(self.frame.len().min(room));
            self.joined.extend_from_slice(&piece);
        }
        let chunk = self.joined.split().freeze();
        Poll::Ready(Ok((!chunk.is_empty()).then_some(chunk)))
    }

    fn take_frame(&mut self) -> Bytes {
        self.frame.split_to(self.frame.len().min(MAX_CHUNK))
    }

    /// Ensures that `frame` has bytes. Returns `false` at the end of the body.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, ReceiveError>> {
        while self.frame.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(frame)) => {
                    if let Some(digest) = &mut self.digest {
                        digest.update(&frame);
                    }
                    self.frame = frame;
                }
                Some(Err(error)) => return Poll::Ready(Err(ReceiveError::of_body(error))),
                None => return Poll::Ready(Ok(false)),
            }
        }
        Poll::Ready(Ok(true))
    }
}
