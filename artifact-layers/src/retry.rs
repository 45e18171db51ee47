//! Retries of calls that certainly had no effect.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, ChunkSize,
    Download, Error, Layer, NotedBackend, NotedUpload, Result, Shard, Stamp, StoreId, SweepReport,
    Upload, forward, random,
};
use async_trait::async_trait;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::sleep;

/// Retries of calls that failed with `Unavailable`.
///
/// Only this kind is retried, and by default only if the error [has not timed out](Error::has_timed_out). After
/// it, the contract excludes that the call had an effect, so a retried store cannot meet its own blob:
///
/// - `Ambiguous` goes to the caller at once, of every method. It never becomes `Ok` or `AlreadyExists`.
/// - An `AlreadyExists` after a retry is true: another blob has the id.
/// - Every method of the backend is retried but `close`. The report of a retried `sweep` counts only what its
///   last attempt found. An upload is not retried: its `write` and `commit` fail at once, because only the caller
///   still has the bytes. Start a new upload with the same id.
/// - A download whose stream fails is opened again at the position of the failure, with the same size and
///   stamp, or it ends with the first error. It ends with the error too if that comes after the last byte. A list
///   whose stream fails is not continued.
///
/// The delay doubles with each retry, and is shortened at random by up to half. A chunk resets the count of a
/// download. Needs tokio's timer.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct Retry {
    max_retries: u32,
    initial_delay: Duration,
    max_delay: Duration,
    timed_out: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl Retry {
    /// Creates the layer with the default settings.
    pub fn new() -> Self {
        Self {
            max_retries: 3,
            initial_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(5),
            timed_out: false,
        }
    }

    /// Sets how many retries may follow the first attempt (default: 3).
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// Sets the delay before the first retry (default: 100 ms) and the longest delay (default: 5 s).
    pub fn with_delays(mut self, initial: Duration, max: Duration) -> Self {
        self.initial_delay = initial;
        self.max_delay = max;
        self
    }

    /// Sets whether an `Unavailable` call that [has timed out](Error::has_timed_out) is retried too (default: no). Then the caller
    /// waits for the time-out again at each attempt. A [`Timeout`](crate::Timeout) inside this layer limits each
    /// attempt; one outside limits all of them together.
    pub fn with_timed_out(mut self, timed_out: bool) -> Self {
        self.timed_out = timed_out;
        self
    }

    /// Returns the delays, one for each retry. backon's jitter adds up to the whole delay, so on halved delays
    /// it gives the half to the whole.
    fn delays(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.initial_delay.min(self.max_delay) / 2)
            .with_max_delay(self.max_delay / 2)
            .with_factor(2.0)
            .with_jitter()
            .with_jitter_seed(u64::from_le_bytes(random::bytes()))
            .with_max_times(self.max_retries.try_into().unwrap_or(usize::MAX))
            .build()
    }

    async fn run<T, F>(&self, mut attempt: impl FnMut() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let mut delays = None;
        loop {
            match attempt().await {
                Err(error) if self.pause(&mut delays, &error).await => {}
                result => return result,
            }
        }
    }

    /// Waits before a retry. Returns `false` at once if the error cannot be retried or no retry is left.
    async fn pause(&self, delays: &mut Option<ExponentialBackoff>, error: &Error) -> bool {
        if !error.is_retryable() || (error.has_timed_out() && !self.timed_out) {
            return false;
        }
        let delay = delays.get_or_insert_with(|| self.delays()).next();
        if let Some(delay) = delay {
            sleep(delay).await;
        }
        delay.is_some()
    }
}

impl<B: ArtifactBackend> Layer<B> for Retry {
    type Backend = RetryBackend<B>;

    fn layer(&self, inner: B) -> Self::Backend {
        RetryBackend {
            retry: self.clone(),
            inner: Arc::new(inner),
        }
    }
}

/// A backend with [retries](Retry). Clones share the inner backend.
#[derive(Debug)]
pub struct RetryBackend<B> {
    retry: Retry,
    inner: Arc<B>,
}

// Not derived, because a derived impl would demand `B: Clone`.
impl<B> Clone for RetryBackend<B> {
    fn clone(&self) -> Self {
        Self {
            retry: self.retry.clone(),
            inner: Arc::clone(&self.inner),
        }
    }
}

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for RetryBackend<B> {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let retry = &self.retry;
        retry.run(|| self.inner.store(id, bytes.clone())).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.retry.run(|| self.inner.upload(id)).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.retry.run(|| self.inner.load(id)).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let download = self.retry.run(|| self.inner.download(id, range)).await?;
        if download.is_in_memory() {
            return Ok(download);
        }
        let backend = self.clone();
        Ok(download.map_stream(|chunks| Resumable::new(backend, id, chunks).into_stream()))
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.retry.run(|| self.inner.stat(id)).await
    }

    /// Calls with notes are retried like those without.
    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        let inner = self.inner.noted()?;
        Some(Arc::new(RetryNoted {
            retry: self.retry.clone(),
            inner,
        }))
    }
}

/// The notes of a backend with retries.
#[derive(Debug)]
struct RetryNoted {
    retry: Retry,
    inner: Arc<dyn NotedBackend>,
}

#[async_trait]
impl NotedBackend for RetryNoted {
    async fn store_noted(&self, id: ArtifactId, bytes: Bytes, note: Bytes) -> Result<()> {
        let store = || self.inner.store_noted(id, bytes.clone(), note.clone());
        self.retry.run(store).await
    }

    async fn upload_noted(&self, id: ArtifactId) -> Result<Box<dyn NotedUpload>> {
        self.retry.run(|| self.inner.upload_noted(id)).await
    }
}

#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for RetryBackend<B> {
    forward!(inner => close, note_log);

    async fn list(&self) -> Result<BlobList> {
        self.retry.run(|| self.inner.list()).await
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        let retry = &self.retry;
        retry.run(|| self.inner.list_shard(shard, after)).await
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.retry.run(|| self.inner.delete(id)).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        self.retry.run(|| self.inner.sweep(older_than)).await
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        self.retry.run(|| self.inner.store_id()).await
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        self.retry.run(|| self.inner.create_store_id(new)).await
    }

    async fn probe(&self) -> Result<()> {
        self.retry.run(|| self.inner.probe()).await
    }
}

/// A download that is opened again when its stream fails.
struct Resumable<B> {
    backend: RetryBackend<B>,
    chunks: Download,
    id: ArtifactId,
    stamp: Option<Stamp>,
    /// Set by the reader of the download.
    chunk_size: Option<ChunkSize>,
    delays: Option<ExponentialBackoff>,
}

impl<B: ArtifactBackend> Resumable<B> {
    fn new(backend: RetryBackend<B>, id: ArtifactId, chunks: Download) -> Self {
        Self {
            backend,
            id,
            stamp: chunks.stamp(),
            chunk_size: chunks.chunk_size().cloned(),
            chunks,
            delays: None,
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
        stream::unfold(self, |mut resumable| async move {
            let chunk = resumable.next().await?;
            Some((chunk, resumable))
        })
    }

    async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            if let (Some(wanted), Some(size)) = (&self.chunk_size, self.chunks.chunk_size()) {
                size.set(wanted.get());
            }
            let mut error = match self.chunks.next().await? {
                Ok(chunk) => {
                    self.delays = None;
                    return Some(Ok(chunk));
                }
                Err(error) => error,
            };
            self.chunks = loop {
                if self.chunks.remaining() == 0 || !self.pause(&error).await {
                    return Some(Err(error));
                }
                match self.open_rest().await {
                    Ok(Some(rest)) => break rest,
                    Ok(None) => return Some(Err(error)),
                    Err(again) => error = again,
                }
            };
        }
    }

    async fn pause(&mut self, error: &Error) -> bool {
        self.backend.retry.pause(&mut self.delays, error).await
    }

    /// Opens the rest of the blob, or returns `None` if its storage was touched meanwhile.
    async fn open_rest(&mut self) -> Result<Option<Download>> {
        let end = self.chunks.range().end;
        let rest = ByteRange::FromTo {
            first: end - self.chunks.remaining(),
            last: end - 1,
        };
        let rest = self.backend.inner.download(self.id, rest).await?;
        let is_same = rest.size() == self.chunks.size() && rest.stamp() == self.stamp;
        Ok(is_same.then_some(rest))
    }
}
