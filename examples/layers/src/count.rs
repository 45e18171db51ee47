//! An own layer: counts the bytes that downloads deliver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Download, Layer, Result, forward,
};
use async_trait::async_trait;
use futures_util::TryStreamExt;

#[derive(Debug, Clone, Default)]
pub struct Count(pub Arc<AtomicU64>);

impl<B: ArtifactBackend> Layer<B> for Count {
    type Backend = CountBackend<B>;

    fn layer(&self, inner: B) -> Self::Backend {
        CountBackend(inner, self.0.clone())
    }
}

#[derive(Debug, Clone)]
pub struct CountBackend<B>(B, Arc<AtomicU64>);

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for CountBackend<B> {
    forward!(0 => store, upload, load, stat);

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let bytes = self.1.clone();
        let download = self.0.download(id, range).await?;
        Ok(download.map_stream(|chunks| {
            chunks.inspect_ok(move |chunk| {
                bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            })
        }))
    }
}

#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for CountBackend<B> {
    forward!(0 => ArtifactInventory);
}
