//! A `tracing` span around each call.

use std::future::Future;

use artifact_backend::{
    ArtifactBackend, ArtifactId, BlobList, Download, Error, Layer, Operation, Result,
};
use futures_util::{Stream, StreamExt, stream};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug_span};

use crate::intercept::{Call, Intercept};
use crate::layered::Layered;

/// A `tracing` span around each call, at the level `DEBUG`.
///
/// The span `backend` has these fields:
///
/// | field | value |
/// |---|---|
/// | `operation` | the text of the [`Operation`], such as `store` |
/// | `id` | the id of the blob, if the call is about one |
/// | `bytes` | bytes stored, written, loaded or downloaded |
/// | `outcome` | `ok`, or the text of the [`ErrorKind`](artifact_backend::ErrorKind), such as `not found` |
/// | `error` | the error with its causes, if the call failed |
///
/// The stream of a download and of a list have a span of their own, with the name `backend_stream` and the
/// same fields: its parent is the span in which the call was made, it is entered when the stream is polled, and
/// it closes when the stream ends or is dropped. A call or stream without an `outcome` was dropped.
#[derive(Debug, Clone, Default)]
#[must_use = "a layer does nothing until it is applied"]
pub struct Trace(());

impl Trace {
    /// Creates the layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<B: ArtifactBackend> Layer<B> for Trace {
    type Backend = Layered<Self, B>;

    fn layer(&self, inner: B) -> Self::Backend {
        Layered::new(self.clone(), inner)
    }
}

impl Intercept for Trace {
    async fn call<T: Send>(
        &self,
        call: Call,
        next: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let span = debug_span!(
            "backend",
            operation = call.operation.as_str(),
            id = call.id.map(display),
            bytes = (call.bytes > 0).then_some(call.bytes),
            outcome = Empty,
            error = Empty,
        );
        let result = next.instrument(span.clone()).await;
        record_outcome(&span, &result);
        result
    }

    async fn loaded(&self, bytes: u64) {
        Span::current().record("bytes", bytes);
    }

    fn download(&self, id: ArtifactId, download: Download) -> Download {
        let span = stream_span(Operation::Download, Some(id));
        if download.is_in_memory() {
            span.record("bytes", download.remaining());
            span.record("outcome", "ok");
            return download;
        }
        let recorded = span.clone();
        let mut bytes = 0;
        let count = move |chunk: &bytes::Bytes| {
            bytes += chunk.len() as u64;
            recorded.record("bytes", bytes);
        };
        download.map_stream(|chunks| in_span(span, chunks, |_| false, count))
    }

    fn list(&self, list: BlobList) -> BlobList {
        let span = stream_span(Operation::List, None);
        // A damaged blob does not end a list.
        let goes_on = |error: &Error| error.damaged_blob().is_some();
        in_span(span, list, goes_on, |_| ()).boxed()
    }
}

fn stream_span(operation: Operation, id: Option<ArtifactId>) -> Span {
    debug_span!(
        "backend_stream",
        operation = operation.as_str(),
        id = id.map(display),
        bytes = Empty,
        outcome = Empty,
        error = Empty,
    )
}

/// Polls the stream inside the span and records how it ends.
fn in_span<T: Send + 'static>(
    span: Span,
    mut items: impl Stream<Item = Result<T>> + Unpin + Send + 'static,
    goes_on: fn(&Error) -> bool,
    mut each: impl FnMut(&T) + Send + 'static,
) -> impl Stream<Item = Result<T>> + Send + 'static {
    stream::poll_fn(move |context| {
        let _entered = span.enter();
        let polled = items.poll_next_unpin(context);
        if let std::task::Poll::Ready(item) = &polled {
            match item {
                Some(Ok(item)) => each(item),
                Some(Err(error)) if goes_on(error) => {}
                Some(failed) => record_outcome(&span, failed),
                None => record_outcome(&span, &Ok(())),
            }
        }
        polled
    })
}

fn record_outcome<T>(span: &Span, result: &Result<T>) {
    match result {
        Ok(_) => span.record("outcome", "ok"),
        Err(error) => span
            .record("outcome", error.kind().as_str())
            // With its causes.
            .record("error", error as &(dyn std::error::Error + 'static)),
    };
}
