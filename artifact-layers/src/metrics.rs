//! Metrics of each call, by the `metrics` facade.

use std::future::{Future, ready};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use artifact_backend::metrics::{Metric, describe};
use artifact_backend::{
    ArtifactBackend, ArtifactId, BlobList, Download, Error, Layer, Operation, Result,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use metrics::{Counter, Gauge, Histogram};
use tokio::time::Instant;

use crate::intercept::{Call, Intercept};
use crate::layered::Layered;

const OPERATIONS: Metric = Metric::counter(
    "artifact_backend_operations_total",
    &["backend", "operation", "outcome"],
    "Calls and streams of a backend that ended",
);
const DURATION: Metric = Metric::histogram(
    "artifact_backend_operation_duration_seconds",
    &["backend", "operation"],
    "Duration of the calls and streams of a backend",
);
const IN_FLIGHT: Metric = Metric::gauge(
    "artifact_backend_operations_in_flight",
    &["backend", "operation"],
    "Calls and streams of a backend that have not ended",
);
const READ: Metric = Metric::counter(
    "artifact_backend_read_bytes_total",
    &["backend"],
    "Bytes that loads and downloads have returned",
);
const WRITTEN: Metric = Metric::counter(
    "artifact_backend_written_bytes_total",
    &["backend"],
    "Bytes of stores and writes that succeeded",
);

/// The metrics of the layer.
pub const METRICS: &[Metric] = &[OPERATIONS, DURATION, IN_FLIGHT, READ, WRITTEN];

/// The calls of a backend and of its uploads.
const CALLS: [Operation; 14] = [
    Operation::Store,
    Operation::Upload,
    Operation::Write,
    Operation::Commit,
    Operation::Abort,
    Operation::Load,
    Operation::Download,
    Operation::List,
    Operation::Stat,
    Operation::Delete,
    Operation::Sweep,
    Operation::ReadStoreId,
    Operation::CreateStoreId,
    Operation::Probe,
];
/// What follows a successful call has a place after the calls.
const STREAMS: [&str; 2] = ["download stream", "list stream"];
const DOWNLOAD_STREAM: usize = CALLS.len();
const LIST_STREAM: usize = CALLS.len() + 1;
const OK: &str = "ok";
const DROPPED: &str = "dropped";

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
/// layer, which describes the metrics to it and keeps what it has registered.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct Metrics {
    handles: Arc<Handles>,
}

/// The registered metrics.
#[derive(Debug)]
struct Handles {
    backend: &'static str,
    read: Counter,
    written: Counter,
    /// Those of [`CALLS`], then those of [`STREAMS`]. Registered with the first call.
    operations: [OnceLock<OperationHandles>; CALLS.len() + STREAMS.len()],
}

#[derive(Debug)]
struct OperationHandles {
    in_flight: Gauge,
    duration: Histogram,
    /// Of calls with the outcome `ok`. Others are rare enough to be registered each time.
    succeeded: Counter,
}

impl Handles {
    fn new(backend: &'static str) -> Self {
        Self {
            backend,
            read: READ.register_counter(&[backend]),
            written: WRITTEN.register_counter(&[backend]),
            operations: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    fn of(&self, operation: usize) -> &OperationHandles {
        self.operations[operation].get_or_init(|| {
            let name = name(operation);
            let labels = [self.backend, name];
            OperationHandles {
                in_flight: IN_FLIGHT.register_gauge(&labels),
                duration: DURATION.register_histogram(&labels),
                succeeded: OPERATIONS.register_counter(&[self.backend, name, OK]),
            }
        })
    }
}

/// Returns the place of a call in [`CALLS`].
fn place(call: Operation) -> Option<usize> {
    CALLS.iter().position(|known| *known == call)
}

/// Returns the label of the operation with this place.
fn name(operation: usize) -> &'static str {
    match CALLS.get(operation) {
        Some(call) => call.as_str(),
        None => STREAMS[operation - CALLS.len()],
    }
}

impl Metrics {
    /// Creates the layer. `backend` becomes the label `backend`, so that a program with several can tell them
    /// apart.
    pub fn new(backend: &'static str) -> Self {
        Self {
            handles: Arc::new(Handles::new(backend)),
        }
    }

    fn count_read(&self, bytes: u64) {
        self.handles.read.increment(bytes);
    }

    /// Counts a stream by its end, its first error or its drop.
    fn watch<T: Send + 'static>(
        &self,
        operation: usize,
        items: impl Stream<Item = Result<T>> + Send + 'static,
        goes_on: fn(&Error) -> bool,
        mut each: impl FnMut(&T) + Send + 'static,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let mut running = Some(Running::begin(Arc::clone(&self.handles), operation));
        // The end is an item too, so that it can be counted.
        let items = items.map(Some).chain(stream::iter([None]));
        items.filter_map(move |item| {
            match &item {
                Some(Ok(item)) => each(item),
                Some(Err(error)) if goes_on(error) => {}
                Some(Err(error)) => end(&mut running, error.kind().as_str()),
                None => end(&mut running, OK),
            }
            ready(item)
        })
    }
}

impl<B: ArtifactBackend> Layer<B> for Metrics {
    type Backend = Layered<Self, B>;

    fn layer(&self, inner: B) -> Self::Backend {
        describe(METRICS);
        Layered::new(self.clone(), inner)
    }
}

impl Intercept for Metrics {
    async fn call<T: Send>(
        &self,
        call: Call,
        next: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let Some(operation) = place(call.operation) else {
            return next.await;
        };
        // Borrowed: a counter of references is one more that all cores write to.
        let mut running = Some(Running::begin(&*self.handles, operation));
        let result = next.await;
        end(
            &mut running,
            match &result {
                Ok(_) => OK,
                Err(error) => error.kind().as_str(),
            },
        );
        if result.is_ok() && call.bytes > 0 {
            self.handles.written.increment(call.bytes);
        }
        result
    }

    async fn loaded(&self, bytes: u64) {
        self.count_read(bytes);
    }

    fn download(&self, _id: ArtifactId, download: Download) -> Download {
        if download.is_in_memory() {
            // Nothing can fail or wait any more, so the stream has ended. It was in flight for no time.
            let handles = self.handles.of(DOWNLOAD_STREAM);
            handles.duration.record(Duration::ZERO);
            handles.succeeded.increment(1);
            self.count_read(download.remaining());
            return download;
        }
        let this = self.clone();
        let count = move |chunk: &Bytes| this.count_read(chunk.len() as u64);
        download.map_stream(|chunks| self.watch(DOWNLOAD_STREAM, chunks, |_| false, count))
    }

    fn list(&self, list: BlobList) -> BlobList {
        // A damaged blob does not end a list.
        let goes_on = |error: &Error| error.damaged_blob().is_some();
        self.watch(LIST_STREAM, list, goes_on, |_| ()).boxed()
    }
}

/// A call or a stream that has not ended. Its drop counts it.
struct Running<H: Deref<Target = Handles>> {
    handles: H,
    operation: usize,
    outcome: &'static str,
    began: Instant,
}

impl<H: Deref<Target = Handles>> Running<H> {
    fn begin(handles: H, operation: usize) -> Self {
        handles.of(operation).in_flight.increment(1);
        Self {
            handles,
            operation,
            outcome: DROPPED,
            began: Instant::now(),
        }
    }
}

/// Counts the end of a call or stream, unless it was counted before.
fn end<H: Deref<Target = Handles>>(running: &mut Option<Running<H>>, outcome: &'static str) {
    if let Some(mut running) = running.take() {
        running.outcome = outcome;
    }
}

impl<H: Deref<Target = Handles>> Drop for Running<H> {
    fn drop(&mut self) {
        let handles = self.handles.of(self.operation);
        handles.in_flight.decrement(1);
        handles.duration.record(self.began.elapsed());
        if self.outcome == OK {
            handles.succeeded.increment(1);
        } else {
            let labels = [self.handles.backend, name(self.operation), self.outcome];
            OPERATIONS.register_counter(&labels).increment(1);
        }
    }
}
