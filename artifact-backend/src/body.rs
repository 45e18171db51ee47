//! A download as the body of an HTTP message.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};

use crate::download::Download;
use crate::error::Error;

/// A body of exactly [`remaining`](Download::remaining) bytes, so that a server sends `Content-Length`. An error, also of a blob that
/// is shorter than its size says, ends the body with an error, and the server closes the connection: the client notices that bytes
/// are missing.
///
/// ```
/// use artifact_backend::{ArtifactId, Download};
/// use http_body::Body;
///
/// let download = Download::in_memory(ArtifactId::mint(), "twelve bytes".into());
/// assert_eq!(Body::size_hint(&download).exact(), Some(12));
/// ```
impl http_body::Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let chunk = self.poll_next(context);
        chunk.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining())
    }
}
