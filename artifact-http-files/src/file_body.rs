//! The body of a response with the bytes of an artifact.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use artifact_backend::{ArtifactId, Download, Error};
use bytes::Bytes;
use futures_util::Stream;
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
    content: Content,
    id: Option<ArtifactId>,
    _guard: G,
}

#[derive(Debug)]
enum Content {
    InMemory(Option<Bytes>),
    Stream(Download),
}

impl FileBody {
    /// Creates a body without content.
    pub fn empty() -> Self {
        Self {
            content: Content::InMemory(None),
            id: None,
            _guard: (),
        }
    }
}

impl<G> FileBody<G> {
    /// Creates the body of a download that [`ArtifactStore::read`](artifact_store::ArtifactStore::read) returned.
    /// Bytes in memory are sent as they are. `id` is for the log.
    pub fn new(mut download: Download, id: ArtifactId, guard: G) -> Self {
        let content = match download.take_in_memory() {
            Some(bytes) => Content::InMemory(Some(bytes)),
            None => Content::Stream(download),
        };
        Self {
            content,
            id: Some(id),
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
        let download = match &mut self.content {
            Content::InMemory(bytes) => return Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
            Content::Stream(download) => download,
        };
        let item = ready!(Pin::new(download).poll_next(context));
        if let (Some(Err(error)), Some(id)) = (&item, self.id) {
            // If the artifact is damaged, the store has raised the alarm.
            tracing::error!(
                %id,
                error = error as &dyn std::error::Error,
                "reading an artifact failed while it was sent; the connection is closed"
            );
        }
        Poll::Ready(item.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::InMemory(None))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.content {
            Content::InMemory(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Content::Stream(download) => download.remaining(),
        })
    }
}
