//! The macro `forward!`, `layer`, and `Download::map_stream`.

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ChunkSize, Download, Error,
    ErrorKind, Layer, Operation, Result, Stamp, Upload, forward,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};

use crate::forward::every_method;
use crate::spy::{ID, Spy};

#[derive(Debug)]
struct Named<B> {
    inner: B,
}

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for Named<B> {
    forward!(inner => ArtifactBackend);
}

#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for Named<B> {
    forward!(inner => ArtifactInventory);
}

#[derive(Debug)]
struct Numbered<B>(B);

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for Numbered<B> {
    forward!(0 => store, load, download, stat);

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        Ok(Box::new(NumberedUpload(self.0.upload(id).await?)))
    }
}

#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for Numbered<B> {
    forward!(0 => list, list_shard, delete, sweep, store_id, create_store_id, probe, close);
}

#[derive(Debug)]
struct NumberedUpload(Box<dyn Upload>);

#[async_trait]
impl Upload for NumberedUpload {
    forward!(0 => Upload);
}

struct Number;

impl<B: ArtifactBackend> Layer<B> for Number {
    type Backend = Numbered<B>;

    fn layer(&self, inner: B) -> Self::Backend {
        Numbered(inner)
    }
}

#[tokio::test]
async fn forward_calls_every_method_of_the_field() {
    let spy = Spy::with_blob(b"0123456789");
    let inner = spy.clone();
    every_method(Named { inner }, &spy).await;
    every_method(Numbered(spy.clone()), &spy).await;
    let inventory: std::sync::Arc<dyn ArtifactInventory> = std::sync::Arc::new(spy.clone());
    every_method(inventory.layer(Number).layer(Number), &spy).await;
}

#[tokio::test]
async fn forward_calls_every_method_of_an_upload() {
    let spy = Spy::default();
    let backend = spy.clone().layer(Number);
    let mut upload = backend.upload(ID).await.unwrap();
    upload.expect_size(3);
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    upload.commit().await.unwrap();
    backend.upload(ID).await.unwrap().abort().await.unwrap();
    let expected = ["upload true", "write 3", "commit", "upload true", "abort"];
    assert_eq!(spy.calls(), expected);
}

#[test]
fn map_stream_replaces_the_chunks_and_keeps_the_rest() {
    let (stamp, size) = (Stamp::new([1, 2, 3]), ChunkSize::new(4));
    let chunks = [Ok(Bytes::from_static(b"23")), Ok(Bytes::from_static(b"45"))];
    let mut download = Download::new(ID, 10, 2..6, stream::iter(chunks).boxed())
        .with_stamp(stamp)
        .with_chunk_size(size.clone());
    // The first chunk is delivered before the layer sees the download.
    let first = download.next().now_or_never().unwrap().unwrap().unwrap();
    assert_eq!(first, "23");
    let mapped = download.map_stream(|chunks| {
        assert_eq!(chunks.remaining(), 2);
        chunks.map(|chunk| chunk.map(|bytes| bytes.to_ascii_uppercase().into()))
    });
    assert_eq!((mapped.size(), mapped.range()), (10, 2..6));
    assert_eq!((mapped.remaining(), mapped.stamp()), (2, Some(stamp)));
    mapped.chunk_size().unwrap().set(7);
    assert_eq!(size.get(), 7);
    assert_eq!(mapped.into_bytes().now_or_never().unwrap().unwrap(), "45");
}

#[test]
fn map_stream_of_bytes_in_memory_is_a_stream() {
    let download = Download::in_memory(ID, Bytes::from_static(b"0123"));
    assert!(download.is_in_memory());
    let mut mapped = download.map_stream(|chunks| chunks);
    assert!(!mapped.is_in_memory());
    assert_eq!(mapped.take_in_memory(), None);
    assert_eq!(mapped.into_bytes().now_or_never().unwrap().unwrap(), "0123");
}

#[test]
fn a_mapped_stream_with_other_bytes_is_corrupt() {
    let download = Download::in_memory(ID, Bytes::from_static(b"0123"));
    let other = ArtifactId::from_bytes([9; 16]);
    let shorter = |chunk: Result<Bytes>| chunk.map(|bytes| bytes.slice(1..));
    let mapped = download
        .with_id(other)
        .map_stream(|chunks| chunks.map(shorter));
    let error: Error = mapped.into_bytes().now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.operation(), Operation::Download);
    assert_eq!(error.id(), Some(other));
}
