//! The body of a response with the bytes of an artifact.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use artifact_backend::{ArtifactId, Download, Error};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The bytes of an artifact, or of a range of it, as a body of known length.
///
/// If the store reports an error, the body logs it and ends with it, and the server must close the connection. The
/// store counts and verifies the bytes and withholds the last chunk until they are known to be right, so no client can
/// take an aborted response for the whole artifact.
///
/// `G` is a value that is kept until the body is dropped, such as a permit. Servers drop a body once they have all of
/// it or the client is gone.
///
/// A framework that wants a `Stream` gets one from `http_body_util::BodyDataStream::new(body)`.
#[derive(Debug)]
pub struct FileBody<G = ()> {
    content: Option<(ArtifactId, Download)>,
    _guard: G,
}

impl FileBody {
    /// Creates a body without content.
    pub fn empty() -> Self {
        Self {
            content: None,
            _guard: (),
        }
    }
}

impl<G> FileBody<G> {
    /// Creates the body of a download that [`ArtifactStore::read`](artifact_store::ArtifactStore::read) returned.
    /// Bytes in memory are sent as they are. `id` is for the log.
    pub fn new(download: Download, id: ArtifactId, guard: G) -> Self {
        Self {
            content: Some((id, download)),
            _guard: guard,
        }
    }
}

impl<G: Unpin> Body for FileBody<G> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some((id, download)) = &mut self.content else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(download).poll_frame(context));
        if let Some(Err(error)) = &frame {
            // If the artifact is damaged, the store has raised the alarm.
            tracing::error!(
                %id,
                error = error as &dyn std::error::Error,
                "reading an artifact failed while it was sent; the connection is closed"
            );
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let content = self.content.as_ref();
        content.is_none_or(|(_, download)| download.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let content = self.content.as_ref();
        content.map_or(SizeHint::with_exact(0), |(_, download)| {
            Body::size_hint(download)
        })
    }
}
