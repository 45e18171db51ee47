//! Blobs and backends as the types of other crates.

use std::io::{Read, Write};

use artifact_backend::{ArtifactBackend, ArtifactId, BlockingBackend, ByteRange, UploadWriter};
use artifact_backend_mem::MemBackend;
use artifact_object_store::{ArtifactObjectStore, path_of};
use artifact_opendal::ArtifactBuilder;
use futures_util::TryStreamExt;
use http_body::Body;
use object_store::ObjectStoreExt;
use opendal::Operator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Outcome, expect, stored};

pub async fn upload_as_async_write() -> Outcome {
    let (backend, id) = (MemBackend::default(), ArtifactId::mint());
    let mut writer = UploadWriter::new(backend.upload(id).await?);
    tokio::io::copy(&mut &b"twelve bytes"[..], &mut writer).await?;
    expect(backend.load(id).await.is_err(), true)?;
    writer.shutdown().await?; // durable and visible from here on
    expect(backend.load(id).await?, "twelve bytes".into())
}

pub async fn download_as_async_read() -> Outcome {
    let (backend, id) = stored("twelve bytes").await?;
    let download = backend.download(id, ByteRange::Suffix(5)).await?;
    let mut text = String::new();
    download.into_reader().read_to_string(&mut text).await?;
    expect(text.as_str(), "bytes")
}

pub async fn download_as_a_stream() -> Outcome {
    let (backend, id) = stored("twelve bytes").await?;
    let download = backend.download(id, ByteRange::Full).await?;
    let chunks: Vec<_> = download.try_collect().await?;
    expect(chunks.concat().as_slice(), b"twelve bytes")
}

pub async fn download_as_an_http_body() -> Outcome {
    let (backend, id) = stored("twelve bytes").await?;
    let body = backend.download(id, ByteRange::Full).await?;
    expect(Body::size_hint(&body).exact(), Some(12))
}

pub async fn blocking_facade() -> Outcome {
    // A thread outside the runtime, as in a program that has none.
    let found = std::thread::spawn(|| -> std::io::Result<String> {
        let backend = BlockingBackend::open(async { Ok(MemBackend::default()) })?;
        let id = ArtifactId::mint();
        let mut upload = backend.upload(id)?;
        upload.write_all(b"twelve bytes")?;
        upload.commit()?;
        let mut text = String::new();
        let mut download = backend.download(id, ByteRange::Full)?;
        download.read_to_string(&mut text)?;
        Ok(text)
    });
    let found = found.join().map_err(|_| "the thread panicked")??;
    expect(found.as_str(), "twelve bytes")
}

pub async fn backend_as_an_object_store() -> Outcome {
    let (backend, id) = stored("twelve bytes").await?;
    let store = ArtifactObjectStore::new(backend);
    let range = store.get_range(&path_of(id), 0..6).await?;
    expect(range, "twelve".into())
}

pub async fn backend_as_an_opendal_service() -> Outcome {
    let (backend, id) = stored("twelve bytes").await?;
    let operator = Operator::new(ArtifactBuilder::new(backend))?;
    let read = operator.read(&id.to_string()).await?;
    expect(read.to_bytes(), "twelve bytes".into())
}
