//! A backend with an intercept around every call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, Layer, NotedBackend, NotedUpload, Operation, Result, Shard, StoreId, SweepReport,
    Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::intercept::{Call, Held, Intercept};

/// The layer that puts an own [`Intercept`] around every call.
#[derive(Debug, Clone)]
pub struct InterceptLayer<I>(pub I);

impl<B: ArtifactBackend, I: Intercept + Clone> Layer<B> for InterceptLayer<I> {
    type Backend = Layered<I, B>;

    fn layer(&self, inner: B) -> Self::Backend {
        Layered::new(self.0.clone(), inner)
    }
}

/// A backend with an [`Intercept`] around every call. Clones share the intercept.
#[derive(Debug)]
pub struct Layered<I, B> {
    intercept: Arc<I>,
    inner: B,
}

impl<I, B> Layered<I, B> {
    /// Wraps a backend.
    pub fn new(intercept: I, inner: B) -> Self {
        Self {
            intercept: Arc::new(intercept),
            inner,
        }
    }
}

// Not derived, because a derived impl would demand `I: Clone`.
impl<I, B: Clone> Clone for Layered<I, B> {
    fn clone(&self) -> Self {
        Self {
            intercept: Arc::clone(&self.intercept),
            inner: self.inner.clone(),
        }
    }
}

#[async_trait]
impl<I: Intercept, B: ArtifactBackend> ArtifactBackend for Layered<I, B> {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let call = Call::of_blob(Operation::Store, id).with_bytes(bytes.len());
        self.intercept.call(call, self.inner.store(id, bytes)).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let call = Call::of_blob(Operation::Upload, id);
        let held = self.intercept.open(call).await;
        let inner = self.intercept.call(call, self.inner.upload(id)).await?;
        Ok(Box::new(LayeredUpload::new(
            &self.intercept,
            id,
            inner,
            held,
        )))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        let load = async {
            let bytes = self.inner.load(id).await?;
            self.intercept.loaded(bytes.len() as u64).await;
            Ok(bytes)
        };
        let call = Call::of_blob(Operation::Load, id);
        self.intercept.call(call, load).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let call = Call::of_blob(Operation::Download, id);
        let held = self.intercept.open(call).await;
        let opening = self.inner.download(id, range);
        let download = self.intercept.call(call, opening).await?;
        let download = self.intercept.download(id, download);
        Ok(match held {
            Some(held) if !download.is_in_memory() => download.map_stream(|chunks| {
                chunks.inspect(move |_| {
                    let _ = &held;
                })
            }),
            _ => download,
        })
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let call = Call::of_blob(Operation::Stat, id);
        self.intercept.call(call, self.inner.stat(id)).await
    }

    /// Calls with notes are intercepted like those without.
    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        let inner = self.inner.noted()?;
        Some(Arc::new(LayeredNoted {
            intercept: Arc::clone(&self.intercept),
            inner,
        }))
    }
}

/// The notes of a backend with an intercept.
#[derive(Debug)]
struct LayeredNoted<I> {
    intercept: Arc<I>,
    inner: Arc<dyn NotedBackend>,
}

#[async_trait]
impl<I: Intercept> NotedBackend for LayeredNoted<I> {
    async fn store_noted(&self, id: ArtifactId, bytes: Bytes, note: Bytes) -> Result<()> {
        let call = Call::of_blob(Operation::Store, id).with_bytes(bytes.len());
        let store = self.inner.store_noted(id, bytes, note);
        self.intercept.call(call, store).await
    }

    async fn upload_noted(&self, id: ArtifactId) -> Result<Box<dyn NotedUpload>> {
        let call = Call::of_blob(Operation::Upload, id);
        let held = self.intercept.open(call).await;
        let upload = self.inner.upload_noted(id);
        let inner = self.intercept.call(call, upload).await?;
        Ok(Box::new(LayeredUpload::new(
            &self.intercept,
            id,
            inner,
            held,
        )))
    }
}

#[async_trait]
impl<I: Intercept, B: ArtifactInventory> ArtifactInventory for Layered<I, B> {
    artifact_backend::forward!(inner => close, note_log);

    async fn list(&self) -> Result<BlobList> {
        let call = Call::new(Operation::List);
        let list = self.intercept.call(call, self.inner.list()).await?;
        Ok(self.intercept.list(list))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        let call = Call::new(Operation::List);
        let list = self.inner.list_shard(shard, after);
        let list = self.intercept.call(call, list).await?;
        Ok(self.intercept.list(list))
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        let call = Call::of_blob(Operation::Delete, id);
        self.intercept.call(call, self.inner.delete(id)).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        let call = Call::new(Operation::Sweep);
        self.intercept
            .call(call, self.inner.sweep(older_than))
            .await
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        let call = Call::new(Operation::ReadStoreId);
        self.intercept.call(call, self.inner.store_id()).await
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let call = Call::new(Operation::CreateStoreId);
        let create = self.inner.create_store_id(new);
        self.intercept.call(call, create).await
    }

    async fn probe(&self) -> Result<()> {
        let call = Call::new(Operation::Probe);
        self.intercept.call(call, self.inner.probe()).await
    }
}

/// An upload with an intercept: a [`dyn Upload`](Upload), or a [`dyn NotedUpload`](NotedUpload).
struct LayeredUpload<I, U: ?Sized> {
    intercept: Arc<I>,
    id: ArtifactId,
    inner: Box<U>,
    /// Whether a write failed or was dropped. If it was dropped in the intercept, the inner upload does not
    /// know of it.
    broken: bool,
    held: Held,
}

impl<I, U: ?Sized> LayeredUpload<I, U> {
    fn new(intercept: &Arc<I>, id: ArtifactId, inner: Box<U>, held: Held) -> Self {
        Self {
            intercept: Arc::clone(intercept),
            id,
            inner,
            broken: false,
            held,
        }
    }

    /// Ends the upload by a call of the inner one. What the upload holds is dropped after that.
    async fn end<F>(
        self: Box<Self>,
        operation: Operation,
        end: impl FnOnce(Box<U>) -> F + Send,
    ) -> Result<()>
    where
        I: Intercept,
        F: Future<Output = Result<()>> + Send,
    {
        let call = Call::of_blob(operation, self.id);
        let Self {
            intercept,
            inner,
            held: _held,
            ..
        } = *self;
        intercept.call(call, end(inner)).await
    }

    fn check_whole(&self, operation: Operation) -> Result<()> {
        if self.broken {
            return Err(broken_upload(operation, self.id));
        }
        Ok(())
    }
}

/// Returns the error of an upload of which a write failed or was dropped.
fn broken_upload(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::Unexpected, operation)
        .with_id(id)
        .with_detail("a former write failed or was dropped; start a new upload")
}

#[async_trait]
impl<I: Intercept, U: Upload + ?Sized> Upload for LayeredUpload<I, U> {
    artifact_backend::forward!(inner => expect_size);

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.check_whole(Operation::Write)?;
        let call = Call::of_blob(Operation::Write, self.id).with_bytes(bytes.len());
        // Reset at the end, because this future may be dropped at the await point.
        self.broken = true;
        self.intercept.call(call, self.inner.write(bytes)).await?;
        self.broken = false;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.check_whole(Operation::Commit)?;
        self.end(Operation::Commit, U::commit).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.end(Operation::Abort, U::abort).await
    }
}

#[async_trait]
impl<I: Intercept, U: NotedUpload + ?Sized> NotedUpload for LayeredUpload<I, U> {
    async fn commit_noted(self: Box<Self>, note: Bytes) -> Result<()> {
        self.check_whole(Operation::Commit)?;
        let commit = |inner: Box<U>| inner.commit_noted(note);
        self.end(Operation::Commit, commit).await
    }
}

impl<I: fmt::Debug, U: fmt::Debug + ?Sized> fmt::Debug for LayeredUpload<I, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredUpload")
            .field("intercept", &self.intercept)
            .field("inner", &self.inner)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
