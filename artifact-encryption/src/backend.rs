//! The layer: a backend over another backend.

use std::sync::Arc;
use std::task::Poll;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Layer,
    NoteLog, NotedBackend, Operation, Result, Shard, Upload, forward,
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::poll_fn;

use crate::download;
use crate::error;
use crate::key::EncryptionKeys;
use crate::message::{HEADER, Layout, SEALED_CHUNK};
use crate::open::Opener;
use crate::seal::Sealer;
use crate::upload::{EncryptedUpload, STEP};

/// A backend that encrypts the blobs of another backend.
///
/// It keeps the contract of the inner backend: a blob is durable, exclusive and whole when the inner backend says so. Every
/// size that it takes or reports is that of the plain bytes.
///
/// # Errors
///
/// The errors of the inner backend, and [`Corrupt`](artifact_backend::ErrorKind::Corrupt) for every blob that is not, bit for
/// bit, what this layer stored under that id with one of the keys. No wrong byte is delivered before this error. A blob whose
/// key is missing is `Corrupt` too, because it cannot be distinguished from a blob that was changed.
///
/// [`stat`](ArtifactBackend::stat) and [`list`](ArtifactInventory::list) read no bytes. They compute the size from the
/// stored length, so they report the wrong size of a blob that was cut to another possible length; a read finds that.
///
/// # Memory and time
///
/// An upload needs 1 MiB at most beside the inner upload, a download 16 KiB and the inner chunk twice. `store` and `load` hold
/// the blob twice. Encryption runs on the caller's thread in steps of 256 KiB.
#[derive(Debug, Clone)]
pub struct EncryptedBackend<B> {
    inner: B,
    keys: Arc<EncryptionKeys>,
}

impl<B> EncryptedBackend<B> {
    /// Wraps a backend, in which every blob is encrypted or will be. `inner` may be an `Arc<dyn ArtifactInventory>`.
    pub fn new(inner: B, keys: impl Into<EncryptionKeys>) -> Self {
        Self {
            inner,
            keys: Arc::new(keys.into()),
        }
    }

    /// Returns the inner backend, which holds the encrypted blobs.
    pub fn inner(&self) -> &B {
        &self.inner
    }
}

/// Keys are a [`Layer`]: `backend.layer(keys)` is `EncryptedBackend::new(backend, keys)`.
impl<B: ArtifactBackend> Layer<B> for EncryptionKeys {
    type Backend = EncryptedBackend<B>;

    fn layer(&self, inner: B) -> Self::Backend {
        EncryptedBackend::new(inner, self.clone())
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for EncryptedBackend<B> {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let mut sealer = Sealer::new(self.keys.writing(), id);
        let mut message = BytesMut::with_capacity(sealer.room(bytes.len()));
        for step in bytes.chunks(STEP) {
            let updated = sealer.update(step, &mut message);
            updated.map_err(|_| error::too_large(Operation::Store, id))?;
            yield_after(step.len(), STEP).await;
        }
        sealer.finish(&mut message);
        drop(bytes);
        self.inner.store(id, message.freeze()).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let inner = self.inner.upload(id).await?;
        let sealer = Sealer::new(self.keys.writing(), id);
        Ok(Box::new(EncryptedUpload::new(inner, sealer, id)))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        let mut sealed = BytesMut::from(self.inner.load(id).await?);
        let stored = sealed.len() as u64;
        if Layout::new(stored).is_none() {
            return Err(error::wrong_length(Operation::Load, id, stored));
        }
        let header = sealed.split_to(HEADER);
        let opener = Opener::new(&self.keys, &header, id, Operation::Load)?;
        let (mut from, mut plain, mut number) = (0, 0, 0);
        while from < sealed.len() {
            let end = sealed.len().min(from + LOAD_STEP);
            let len = opener.open(number, &mut sealed[from..end])?;
            sealed.copy_within(from..from + len, plain);
            yield_after(end - from, LOAD_STEP).await;
            (from, plain) = (end, plain + len);
            number += STEP_CHUNKS;
        }
        sealed.truncate(plain);
        Ok(sealed.freeze())
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        download::open(&self.inner, &self.keys, id, range).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        plain_stat(self.inner.stat(id).await?, Operation::Stat)
    }

    /// A note would be in the storage as it is, so this layer keeps no notes.
    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        None
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for EncryptedBackend<B> {
    forward!(inner => delete, sweep, store_id, create_store_id, probe, close);

    async fn list(&self) -> Result<BlobList> {
        Ok(plain_list(self.inner.list().await?))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        Ok(plain_list(self.inner.list_shard(shard, after).await?))
    }

    fn note_log(&self) -> Option<Arc<dyn NoteLog>> {
        None
    }
}

/// Returns the list with the sizes of the plain bytes.
fn plain_list(stored: BlobList) -> BlobList {
    let plain = stored.map(|blob| blob.and_then(|blob| plain_stat(blob, Operation::List)));
    plain.boxed()
}

/// The chunks and the stored bytes that `load` decrypts in one step.
const STEP_CHUNKS: u64 = 16;
const LOAD_STEP: usize = 16 * SEALED_CHUNK;

/// Lets other tasks run after a full step.
async fn yield_after(done: usize, step: usize) {
    let mut yielded = done < step;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn plain_stat(mut stat: BlobStat, operation: Operation) -> Result<BlobStat> {
    let layout = Layout::new(stat.size);
    let layout = layout.ok_or_else(|| error::wrong_length(operation, stat.id, stat.size))?;
    stat.size = layout.size();
    Ok(stat)
}
