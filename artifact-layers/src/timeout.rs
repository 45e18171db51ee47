//! The time-out of each call.

use std::future::Future;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, BlobList, Download, Error, ErrorKind, Layer, Operation, Result,
};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use crate::intercept::{Call, Intercept};
use crate::layered::Layered;

/// A limit for the time that each call takes.
///
/// The limit applies to each method of the backend and of an upload, to the wait for each chunk of a download,
/// and to the wait for each item of a list. It does not apply to `sweep` and `close`, which may take long on a
/// large storage. Needs tokio's timer.
///
/// A call over the limit is dropped, and fails with an error for which
/// [`has_timed_out`](Error::has_timed_out) is true:
///
/// | call | error | what the dropped call leaves |
/// |---|---|---|
/// | `store`, `commit` | `Ambiguous` | nothing or the whole blob; which of the two may be decided later |
/// | `delete` | `Ambiguous` | the blob or nothing |
/// | `create_store_id` | `Ambiguous` | no id or the whole id; the same call can be repeated |
/// | `write` | `Unavailable` | the upload is broken, so its `commit` fails with `Unexpected` |
/// | `upload`, `abort` | `Unavailable` | at most a leftover for `sweep` |
/// | others | `Unavailable` | nothing |
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct Timeout {
    limit: Duration,
}

impl Timeout {
    /// Creates the layer with the limit of each call. Choose one that a `commit` of the largest blob keeps.
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<B: ArtifactBackend> Layer<B> for Timeout {
    type Backend = Layered<Self, B>;

    fn layer(&self, inner: B) -> Self::Backend {
        Layered::new(self.clone(), inner)
    }
}

impl Intercept for Timeout {
    async fn call<T: Send>(
        &self,
        call: Call,
        next: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if call.operation == Operation::Sweep {
            return next.await;
        }
        let limited = timeout(self.limit, next).await;
        limited.unwrap_or_else(|_| Err(timed_out(call.operation, call.id, self.limit)))
    }

    fn download(&self, id: ArtifactId, download: Download) -> Download {
        if download.is_in_memory() {
            return download;
        }
        let error = timed_out(Operation::Download, Some(id), self.limit);
        download.map_stream(|chunks| limited(chunks, self.limit, error))
    }

    fn list(&self, list: BlobList) -> BlobList {
        let error = timed_out(Operation::List, None, self.limit);
        limited(list, self.limit, error).boxed()
    }
}

/// Ends the stream with the error when an item does not arrive within the limit.
fn limited<T: Send>(
    items: impl Stream<Item = Result<T>> + Unpin + Send,
    limit: Duration,
    error: Error,
) -> impl Stream<Item = Result<T>> + Send {
    stream::unfold(Some((items, error)), move |state| async move {
        let (mut items, error) = state?;
        match timeout(limit, items.next()).await {
            Ok(item) => Some((item?, Some((items, error)))),
            Err(_) => Some((Err(error), None)),
        }
    })
}

fn timed_out(operation: Operation, id: Option<ArtifactId>, limit: Duration) -> Error {
    let kind = match operation {
        Operation::Store | Operation::Commit | Operation::Delete | Operation::CreateStoreId => {
            ErrorKind::Ambiguous
        }
        _ => ErrorKind::Unavailable,
    };
    let error = Error::new(kind, operation)
        .with_detail(format!("the backend did not answer within {limit:?}"))
        .with_timed_out();
    match id {
        Some(id) => error.with_id(id),
        None => error,
    }
}
