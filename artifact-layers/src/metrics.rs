//! Metrics of each call, by the `metrics` facade.

use std::future::{Future, ready};

use artifact_backend::{ArtifactBackend, ArtifactId, BlobList, Download, Layer, Result};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use tokio::time::Instant;

use crate::intercept::{Call, Intercept};
use crate::layered::Layered;

const OPERATIONS: &str = "artifact_backend_operations_total";
const DURATION: &str = "artifact_backend_operation_duration_seconds";
const IN_FLIGHT: &str = "artifact_backend_operations_in_flight";
const READ: &str = "artifact_backend_read_bytes_total";
const WRITTEN: &str = "artifact_backend_written_bytes_total";

const DOWNLOAD_STREAM: &str = "download stream";
const LIST_STREAM: &str = "list stream";

/// Counters, durations and bytes of each call, for the recorder that the program has installed.
///
/// | name | type | unit | labels | meaning |
/// |---|---|---|---|---|
/// | `artifact_backend_operations_total` | counter | count | `backend`, `operation`, `outcome` | calls and streams that ended |
/// | `artifact_backend_operation_duration_seconds` | histogram | seconds | `backend`, `operation` | their duration |
/// | `artifact_backend_operations_in_flight` | gauge | count | `backend`, `operation` | calls and streams that have not ended |
/// | `artifact_backend_read_bytes_total` | counter | bytes | `backend` | bytes that loads and downloads have returned |
/// | `artifact_backend_written_bytes_total` | counter | bytes | `backend` | bytes of stores and writes that succeeded |
///
/// - `backend` is the name that [`new`](Self::new) got.
/// - `operation` is the text of the [`Operation`](artifact_backend::Operation), such as `store`; or `download stream` and `list stream` for
///   what follows a successful `download` and `list`.
/// - `outcome` is `ok`; the text of the [`ErrorKind`](artifact_backend::ErrorKind), such as `not found`; or `dropped` for a future or
///   stream that was dropped before its end.
///
/// Every label has few values, and none of them comes from a client. Install the recorder before you apply the
/// layer, which describes the metrics to it.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct Metrics {
    backend: &'static str,
}

impl Metrics {
    /// Creates the layer. `backend` becomes the label `backend`, so that a program with several can tell them
    /// apart.
    pub fn new(backend: &'static str) -> Self {
        Self { backend }
    }

    fn begin(&self, operation: &'static str) -> Running {
        let backend = self.backend;
        gauge!(IN_FLIGHT, "backend" => backend, "operation" => operation).increment(1);
        Running {
            backend,
            operation,
            outcome: "dropped",
            began: Instant::now(),
        }
    }

    fn count_read(&self, bytes: u64) {
        counter!(READ, "backend" => self.backend).increment(bytes);
    }

    /// Counts a stream by its end, its first error or its drop.
    fn watch<T: Send + 'static>(
        &self,
        operation: &'static str,
        items: impl Stream<Item = Result<T>> + Send + 'static,
        mut each: impl FnMut(&T) + Send + 'static,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let mut running = Some(self.begin(operation));
        // The end is an item too, so that it can be counted.
        let items = items.map(Some).chain(stream::iter([None]));
        items.filter_map(move |item| {
            match &item {
                Some(Ok(item)) => each(item),
                Some(Err(error)) => end(&mut running, error.kind().as_str()),
                None => end(&mut running, "ok"),
            }
            ready(item)
        })
    }
}

impl<B: ArtifactBackend> Layer<B> for Metrics {
    type Backend = Layered<Self, B>;

    fn layer(&self, inner: B) -> Self::Backend {
        describe_counter!(OPERATIONS, Unit::Count, "Calls and streams that ended");
        describe_histogram!(DURATION, Unit::Seconds, "Duration of calls and streams");
        describe_gauge!(
            IN_FLIGHT,
            Unit::Count,
            "Calls and streams that have not ended"
        );
        describe_counter!(
            READ,
            Unit::Bytes,
            "Bytes that loads and downloads have returned"
        );
        describe_counter!(
            WRITTEN,
            Unit::Bytes,
            "Bytes of stores and writes that succeeded"
        );
        Layered::new(self.clone(), inner)
    }
}

impl Intercept for Metrics {
    async fn call<T: Send>(
        &self,
        call: Call,
        next: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let mut running = Some(self.begin(call.operation.as_str()));
        let result = next.await;
        end(
            &mut running,
            match &result {
                Ok(_) => "ok",
                Err(error) => error.kind().as_str(),
            },
        );
        if result.is_ok() && call.bytes > 0 {
            counter!(WRITTEN, "backend" => self.backend).increment(call.bytes);
        }
        result
    }

    async fn loaded(&self, bytes: u64) {
        self.count_read(bytes);
    }

    fn download(&self, _id: ArtifactId, download: Download) -> Download {
        if download.is_in_memory() {
            // Nothing can fail any more, so the stream is counted now.
            end(&mut Some(self.begin(DOWNLOAD_STREAM)), "ok");
            self.count_read(download.remaining());
            return download;
        }
        let this = self.clone();
        let count = move |chunk: &Bytes| this.count_read(chunk.len() as u64);
        download.map_stream(|chunks| self.watch(DOWNLOAD_STREAM, chunks, count))
    }

    fn list(&self, list: BlobList) -> BlobList {
        self.watch(LIST_STREAM, list, |_| ()).boxed()
    }
}

/// A call or a stream that has not ended. Its drop counts it.
struct Running {
    backend: &'static str,
    operation: &'static str,
    outcome: &'static str,
    began: Instant,
}

/// Counts the end of a call or stream, unless it was counted before.
fn end(running: &mut Option<Running>, outcome: &'static str) {
    if let Some(mut running) = running.take() {
        running.outcome = outcome;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Self {
            backend,
            operation,
            outcome,
            began,
        } = *self;
        let labels = [("backend", backend), ("operation", operation)];
        gauge!(IN_FLIGHT, &labels).decrement(1);
        histogram!(DURATION, &labels).record(began.elapsed());
        counter!(OPERATIONS, "backend" => backend, "operation" => operation, "outcome" => outcome)
            .increment(1);
    }
}
