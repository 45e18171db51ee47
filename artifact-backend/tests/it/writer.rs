//! An upload as `AsyncWrite`.

use std::io;

use artifact_backend::{ArtifactBackend, Error, ErrorKind, Operation, UploadWriter};
use artifact_backend_conformance::{Fault, FaultBackend, Point};
use artifact_backend_mem::MemBackend;
use futures_util::FutureExt;
use tokio::io::AsyncWriteExt;

use crate::spy::{ID, Spy};

const MIB: usize = 1 << 20;

async fn writer(backend: &impl ArtifactBackend) -> UploadWriter {
    UploadWriter::new(backend.upload(ID).await.unwrap())
}

fn noise(size: usize) -> Vec<u8> {
    (0..size).map(|position| (position % 251) as u8).collect()
}

#[tokio::test]
async fn nothing_is_visible_before_the_shutdown() {
    let backend = MemBackend::default();
    let right = noise(3 * MIB + 5);
    let mut writer = writer(&backend).await;
    for piece in right.chunks(100_003) {
        writer.write_all(piece).await.unwrap();
    }
    writer.flush().await.unwrap();
    assert_eq!(backend.used_bytes(), right.len() as u64);
    assert_eq!(
        backend.load(ID).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    writer.shutdown().await.unwrap();
    assert_eq!(backend.load(ID).await.unwrap(), right);
    // A second shutdown changes nothing; a write is refused.
    writer.shutdown().await.unwrap();
    let error = writer.write(b"more").await.unwrap_err();
    assert!(error.to_string().contains("was shut down"), "{error}");
    writer.commit().await.unwrap();
}

#[tokio::test]
async fn a_writer_without_bytes_publishes_an_empty_blob() {
    let backend = MemBackend::default();
    writer(&backend).await.commit().await.unwrap();
    assert_eq!(backend.load(ID).await.unwrap(), "");
}

#[tokio::test]
async fn small_writes_are_collected() {
    let spy = Spy::default();
    let mut writer = writer(&spy).await;
    for _ in 0..100 {
        writer.write_all(&[0; 10]).await.unwrap();
    }
    assert_eq!(spy.calls(), ["upload true"]);
    writer.flush().await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(spy.calls(), ["write 1000"]);
    writer.write_all(&vec![0; 600 * 1024]).await.unwrap();
    writer.shutdown().await.unwrap();
    assert_eq!(
        spy.calls(),
        ["write 262144", "write 262144", "write 90112", "commit"]
    );
}

#[tokio::test]
async fn a_dropped_writer_publishes_nothing() {
    let backend = MemBackend::default();
    let mut writer = writer(&backend).await;
    writer.write_all(&noise(MIB)).await.unwrap();
    drop(writer);
    assert_eq!((backend.len(), backend.used_bytes()), (0, 0));
}

#[tokio::test]
async fn an_aborted_writer_publishes_nothing() {
    let spy = Spy::default();
    let mut one = writer(&spy).await;
    one.write_all(b"abc").await.unwrap();
    one.abort().await.unwrap();
    assert_eq!(spy.calls(), ["upload true", "abort"]);
    let mut two = writer(&spy).await;
    two.shutdown().await.unwrap();
    let error = two.abort().await.unwrap_err();
    assert_eq!(error.operation(), Operation::Abort);
}

#[tokio::test]
async fn after_a_failed_write_every_call_fails_and_nothing_is_published() {
    let faults = FaultBackend::new(MemBackend::default());
    faults.inject(Fault::before(Operation::Write, ErrorKind::OutOfSpace));
    let mut writer = writer(&faults).await;
    writer.write_all(b"abc").await.unwrap();
    let error = writer.flush().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(writer.write(b"def").await.is_err());
    assert!(writer.flush().await.is_err());
    let error = writer.shutdown().await.unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(inner.kind(), ErrorKind::Unexpected);
    assert_eq!(
        faults.load(ID).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(faults.calls(Operation::Commit), 0);
    writer.abort().await.unwrap();
    assert_eq!(faults.calls(Operation::Abort), 1);
}

#[tokio::test]
async fn a_failed_commit_is_reported_with_its_kind() {
    let backend = MemBackend::default();
    let mut late = writer(&backend).await;
    late.write_all(b"late").await.unwrap();
    backend.store(ID, "first".into()).await.unwrap();
    let error = late.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(late.shutdown().await.is_err());
    assert_eq!(backend.load(ID).await.unwrap(), "first");
}

#[tokio::test]
async fn a_dropped_write_future_loses_and_repeats_no_byte() {
    let faults = FaultBackend::new(MemBackend::default());
    let right = noise(2 * MIB);
    let mut writer = writer(&faults).await;
    let hold = faults.hold(Operation::Write, Point::After);
    let mut written = 0;
    // Until the first write waits and the buffer is full.
    while let Some(result) = writer.write(&right[written..]).now_or_never() {
        written += result.unwrap();
    }
    assert_eq!(written, 512 * 1024);
    assert!(writer.flush().now_or_never().is_none());
    hold.release();
    writer.write_all(&right[written..]).await.unwrap();
    writer.shutdown().await.unwrap();
    assert_eq!(faults.load(ID).await.unwrap(), right);
}
