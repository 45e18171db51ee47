//! Uploads that fail half-way, and what reaches the inner backend.

use artifact_backend::{ArtifactBackend, ErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend, Point};
use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_encryption::EncryptedBackend;
use bytes::Bytes;
use futures_util::FutureExt;

use crate::world::{CHUNK, ID, key, plain};

#[tokio::test]
async fn an_upload_is_broken_after_a_failed_write() {
    let faults = FaultBackend::new(MemBackend::default());
    let backend = EncryptedBackend::new(faults.clone(), key(1));
    faults.inject(Fault::before(Operation::Write, ErrorKind::OutOfSpace));
    let mut upload = backend.upload(ID).await.unwrap();
    let error = upload.write(plain(CHUNK)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfSpace);
    let error = upload.write(Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    let error = upload.commit().await.unwrap_err();
    let found = (error.kind(), error.operation());
    assert_eq!(found, (ErrorKind::Unexpected, Operation::Commit));
    assert_eq!(
        backend.load(ID).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn an_upload_is_broken_after_a_dropped_write() {
    let faults = FaultBackend::new(MemBackend::default());
    let backend = EncryptedBackend::new(faults.clone(), key(1));
    let mut upload = backend.upload(ID).await.unwrap();
    let hold = faults.hold(Operation::Write, Point::After);
    assert!(upload.write(plain(CHUNK)).now_or_never().is_none());
    drop(hold);
    let error = upload.write(plain(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(
        upload.commit().await.unwrap_err().kind(),
        ErrorKind::Unexpected
    );
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let inner = MemBackend::new(MemConfig::default().with_max_total_bytes(1 << 20));
    let backend = EncryptedBackend::new(inner, key(1));
    let mut upload = backend.upload(ID).await.unwrap();
    upload.write(plain(5 * CHUNK)).await.unwrap();
    assert!(backend.inner().used_bytes() > 5 * CHUNK as u64);
    upload.abort().await.unwrap();
    assert_eq!(backend.inner().used_bytes(), 0);
}

#[tokio::test]
async fn the_plain_bytes_are_not_in_the_storage() {
    let backend = EncryptedBackend::new(MemBackend::default(), key(1));
    let text = Bytes::from("a secret that is easy to find ".repeat(2_000));
    backend.store(ID, text.clone()).await.unwrap();
    let stored = backend.inner().load(ID).await.unwrap();
    assert!(stored.len() > text.len());
    assert!(!stored.windows(8).any(|window| window == b"a secret"));
}
