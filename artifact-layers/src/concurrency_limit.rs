//! The limit of calls at a time.

use std::future::Future;
use std::sync::Arc;

use artifact_backend::{ArtifactBackend, Layer, Result};
use tokio::sync::Semaphore;

use crate::intercept::{Call, Held, Intercept};
use crate::layered::Layered;

/// A limit for the calls that run at a time, and one for the uploads and downloads that are open at a time.
///
/// A call over the limit waits for a permit, in the order of arrival. A waiting call that is dropped leaves the
/// queue and has had no effect. Each backend that the layer is applied to has its own permits; its clones share
/// them.
///
/// A call holds its permit until it returns: an upload between two writes and a download between two chunks
/// hold none. So a task cannot block itself, whatever the limit. `close` needs no permit.
///
/// By default the number of open uploads and downloads is not limited.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct ConcurrencyLimit {
    max_calls: usize,
    max_open: Option<usize>,
}

impl ConcurrencyLimit {
    /// Creates the layer with the number of calls that run at a time, at least 1.
    pub fn new(max_calls: usize) -> Self {
        Self {
            max_calls,
            max_open: None,
        }
    }

    /// Limits the uploads and downloads that are open at a time, at least 1 (default: no limit). Further ones
    /// wait until an upload is committed, aborted or dropped, or the stream of a download ends or is dropped.
    ///
    /// A task that holds one of them while it opens another, such as a copy, needs two permits. Allow more than
    /// all such tasks hold together, or they wait for one another.
    pub fn with_max_open(mut self, max_open: usize) -> Self {
        self.max_open = Some(max_open);
        self
    }
}

impl<B: ArtifactBackend> Layer<B> for ConcurrencyLimit {
    type Backend = Layered<ConcurrencyLimiter, B>;

    fn layer(&self, inner: B) -> Self::Backend {
        let limiter = ConcurrencyLimiter {
            calls: permits(self.max_calls),
            open: self.max_open.map(permits).map(Arc::new),
        };
        Layered::new(limiter, inner)
    }
}

fn permits(number: usize) -> Semaphore {
    Semaphore::new(number.clamp(1, Semaphore::MAX_PERMITS))
}

/// The permits of a [`ConcurrencyLimit`] that was applied.
#[derive(Debug)]
pub struct ConcurrencyLimiter {
    calls: Semaphore,
    open: Option<Arc<Semaphore>>,
}

// An acquire fails only if the semaphore is closed, which never happens.
impl Intercept for ConcurrencyLimiter {
    async fn call<T: Send>(
        &self,
        _call: Call,
        next: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let _permit = self.calls.acquire().await;
        next.await
    }

    async fn open(&self, _call: Call) -> Held {
        let open = Arc::clone(self.open.as_ref()?);
        Some(Box::new(open.acquire_owned().await))
    }
}
