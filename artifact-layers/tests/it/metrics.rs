//! What a recorder gets, and that the documentation lists it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, Download,
    ErrorKind, Operation,
};
use artifact_backend_conformance::{Fault, Point};
use artifact_layers::{Intercept as _, Metrics};
use bytes::Bytes;
use futures_util::StreamExt;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::support::{backend, stored};

/// A value of a metric. A histogram counts its samples.
#[derive(Default)]
struct Value(AtomicU64);

impl CounterFn for Value {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the gauge counts calls"
)]
impl GaugeFn for Value {
    fn increment(&self, value: f64) {
        self.0.fetch_add(value as u64, Ordering::SeqCst);
    }

    fn decrement(&self, value: f64) {
        self.0.fetch_sub(value as u64, Ordering::SeqCst);
    }

    fn set(&self, value: f64) {
        self.0.store(value as u64, Ordering::SeqCst);
    }
}

impl HistogramFn for Value {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{value} seconds");
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Recorded {
    values: Mutex<BTreeMap<String, Arc<Value>>>,
    described: Mutex<BTreeMap<String, (&'static str, Option<Unit>)>>,
}

impl Recorded {
    fn value(&self, key: &Key) -> Arc<Value> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::clone(self.values.lock().unwrap().entry(name).or_default())
    }

    fn describe(&self, name: &KeyName, metric: &'static str, unit: Option<Unit>) {
        let mut described = self.described.lock().unwrap();
        described.insert(name.as_str().to_owned(), (metric, unit));
    }

    /// Takes every value that is not zero, except of the histogram.
    fn take(&self) -> Vec<String> {
        let values = self.values.lock().unwrap();
        values
            .iter()
            .map(|(name, value)| (name, value.0.swap(0, Ordering::SeqCst)))
            .filter(|(name, value)| *value != 0 && !name.contains("_seconds"))
            .map(|(name, value)| format!("{} {value}", name.replace("artifact_backend_", "")))
            .collect()
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, "counter", unit);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, "gauge", unit);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, "histogram", unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.value(key))
    }
}

#[tokio::test]
async fn calls_streams_and_bytes_are_counted() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let inner = backend();
    let backend = inner.clone().layer(Metrics::new("blobs"));
    let id = ArtifactId::mint();
    backend.store(id, Bytes::from_static(b"abc")).await.unwrap();
    backend
        .store(id, Bytes::from_static(b"abc"))
        .await
        .unwrap_err();
    backend.load(id).await.unwrap();
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    upload.write(Bytes::from_static(b"12345")).await.unwrap();
    upload.commit().await.unwrap();
    backend.load_range(id, ByteRange::Suffix(2)).await.unwrap();
    inner.inject(Fault::cut(1, ErrorKind::Unavailable));
    backend.load_range(id, ByteRange::Full).await.unwrap_err();
    drop(backend.download(id, ByteRange::Full).await.unwrap());
    assert_eq!(
        recorded.take(),
        [
            "operations_total backend=blobs operation=commit outcome=ok 1",
            "operations_total backend=blobs operation=download outcome=ok 3",
            "operations_total backend=blobs operation=download stream outcome=dropped 1",
            "operations_total backend=blobs operation=download stream outcome=ok 1",
            "operations_total backend=blobs operation=download stream outcome=unavailable 1",
            "operations_total backend=blobs operation=load outcome=ok 1",
            "operations_total backend=blobs operation=store outcome=already exists 1",
            "operations_total backend=blobs operation=store outcome=ok 1",
            "operations_total backend=blobs operation=upload outcome=ok 1",
            "operations_total backend=blobs operation=write outcome=ok 1",
            "read_bytes_total backend=blobs 6",
            "written_bytes_total backend=blobs 8",
        ]
    );
}

#[test]
fn a_download_in_memory_is_a_stream_that_has_ended() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let id = ArtifactId::mint();
    let download = Download::in_memory(id, Bytes::from_static(b"abc"));
    let download = Metrics::new("blobs").download(id, download);
    assert!(download.is_in_memory());
    assert_eq!(
        recorded.take(),
        [
            "operations_total backend=blobs operation=download stream outcome=ok 1",
            "read_bytes_total backend=blobs 3",
        ]
    );
}

#[tokio::test]
async fn a_call_in_progress_is_in_flight_and_a_dropped_one_is_counted() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let inner = backend();
    let backend = inner.clone().layer(Metrics::new("blobs"));
    let hold = inner.hold(Operation::List, Point::Before);
    let mut list = Box::pin(backend.list());
    let waited = tokio::time::timeout(Duration::ZERO, &mut list).await;
    assert!(waited.is_err());
    hold.reached().await;
    let in_flight = "operations_in_flight backend=blobs operation=list 1";
    let values = recorded.values.lock().unwrap().clone();
    let key = in_flight.trim_end_matches(" 1");
    let value = &values[&format!("artifact_backend_{key}")];
    assert_eq!(value.0.load(Ordering::SeqCst), 1);
    drop(list);
    assert_eq!(value.0.load(Ordering::SeqCst), 0);
    assert_eq!(
        recorded.take(),
        ["operations_total backend=blobs operation=list outcome=dropped 1"]
    );
}

#[tokio::test]
async fn a_damaged_blob_does_not_end_a_list() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let inner = backend();
    let backend = inner.clone().layer(Metrics::new("blobs"));
    stored(&inner).await;
    inner.damage(ArtifactId::mint());
    let items: Vec<_> = backend.list().await.unwrap().collect().await;
    assert_eq!(
        (
            items.len(),
            items.iter().filter(|item| item.is_err()).count()
        ),
        (2, 1)
    );
    assert_eq!(
        recorded.take(),
        [
            "operations_total backend=blobs operation=list outcome=ok 1",
            "operations_total backend=blobs operation=list stream outcome=ok 1",
        ]
    );
}

/// Reads the table in the documentation of `Metrics`, and compares it with what the layer describes.
#[test]
fn the_documented_table_lists_every_metric_with_its_type_and_unit() {
    let source = include_str!("../../src/metrics.rs");
    let table: BTreeMap<_, _> = source
        .lines()
        .filter_map(|line| line.strip_prefix("/// | `artifact"))
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let name = format!("artifact{}", cells[0].trim_end_matches('`'));
            (name, (cells[1].to_owned(), cells[2].to_owned()))
        })
        .collect();
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || backend().layer(Metrics::new("blobs")));
    let described: BTreeMap<_, _> = recorded
        .described
        .into_inner()
        .unwrap()
        .into_iter()
        .map(|(name, (metric, unit))| {
            let unit = unit.unwrap().as_str().to_owned();
            (name, (metric.to_owned(), unit))
        })
        .collect();
    assert_eq!(table, described);
    assert_eq!(table.len(), 5);
}
