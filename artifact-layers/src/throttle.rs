//! The limit of calls and bytes in each second.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, Download, Layer, Result};
use futures_util::StreamExt;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::intercept::{Call, Intercept};
use crate::layered::Layered;

/// A limit for the calls and the bytes of each second.
///
/// A call over the limit waits, in the order of arrival. Each call counts as one operation, also each write of
/// an upload. Bytes count in both directions together: of a store or write before it begins, of a load or
/// chunk before the reader gets it. A store or chunk larger than the rest of the second is not split: it runs
/// when its turn comes, and the next one waits until the average is kept again.
///
/// Unused time is saved up to the [burst](Self::with_burst), then lost. A waiting call that is dropped has used
/// up one operation at most, and no bytes. Each backend that the layer is applied to counts for itself; its clones count together.
/// `close` is not counted. Needs tokio's timer.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct Throttle {
    operations: Option<u64>,
    bytes: Option<u64>,
    burst: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Throttle {
    /// Creates the layer without limits.
    pub fn new() -> Self {
        Self {
            operations: None,
            bytes: None,
            burst: Duration::from_millis(100),
        }
    }

    /// Limits the operations per second, at least 1 (default: no limit).
    pub fn with_operations_per_second(mut self, operations: u64) -> Self {
        self.operations = Some(operations);
        self
    }

    /// Limits the bytes per second, read and written together, at least 1 (default: no limit).
    pub fn with_bytes_per_second(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Sets how much unused time is saved (default: 100 ms): after a pause, the operations and bytes of this
    /// time run at once. The resolution of tokio's timer is 1 ms, so a burst of less than a few milliseconds
    /// keeps high rates below their limit.
    pub fn with_burst(mut self, burst: Duration) -> Self {
        self.burst = burst;
        self
    }
}

impl<B: ArtifactBackend> Layer<B> for Throttle {
    type Backend = Layered<Throttler, B>;

    fn layer(&self, inner: B) -> Self::Backend {
        let bucket = |rate| Bucket::new(rate, self.burst);
        let throttler = Throttler {
            operations: self.operations.map(bucket),
            bytes: self.bytes.map(bucket).map(Arc::new),
        };
        Layered::new(throttler, inner)
    }
}

/// The state of a [`Throttle`] that was applied.
#[derive(Debug)]
pub struct Throttler {
    operations: Option<Bucket>,
    bytes: Option<Arc<Bucket>>,
}

impl Throttler {
    async fn take_bytes(&self, bytes: u64) {
        if let Some(bucket) = &self.bytes {
            bucket.take(bytes).await;
        }
    }
}

impl Intercept for Throttler {
    async fn call<T: Send>(
        &self,
        call: Call,
        next: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if let Some(bucket) = &self.operations {
            bucket.take(1).await;
        }
        self.take_bytes(call.bytes).await;
        next.await
    }

    async fn loaded(&self, bytes: u64) {
        self.take_bytes(bytes).await;
    }

    fn download(&self, _id: ArtifactId, download: Download) -> Download {
        let Some(bucket) = &self.bytes else {
            return download;
        };
        let bucket = Arc::clone(bucket);
        download.map_stream(|chunks| {
            chunks.then(move |chunk| {
                let bucket = Arc::clone(&bucket);
                async move {
                    if let Ok(bytes) = &chunk {
                        bucket.take(bytes.len() as u64).await;
                    }
                    chunk
                }
            })
        })
    }
}

/// A token bucket that may be overdrawn by one call.
#[derive(Debug)]
struct Bucket {
    units_per_second: u64,
    burst: Duration,
    /// The time from which on the next units may be taken. The task that waits for it holds the lock, and the
    /// lock is fair, so the others queue behind it.
    next: Mutex<Instant>,
}

impl Bucket {
    fn new(units_per_second: u64, burst: Duration) -> Self {
        Self {
            units_per_second: units_per_second.max(1),
            burst,
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until the units taken before are paid for, then takes `units`.
    async fn take(&self, units: u64) {
        if units == 0 {
            return;
        }
        let mut next = self.next.lock().await;
        let now = Instant::now();
        let saved = now.checked_sub(self.burst).unwrap_or(now);
        let start = saved.max(*next);
        if start > now {
            sleep_until(start).await;
        }
        *next = start + self.cost(units);
    }

    fn cost(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.units_per_second);
        Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
    }
}
