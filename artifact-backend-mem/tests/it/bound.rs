//! The limit `max_total_bytes`, the clock, and `Debug`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind, ManualClock, Operation,
};
use artifact_backend_mem::{MemBackend, MemConfig};
use bytes::Bytes;

const A: ArtifactId = ArtifactId::from_bytes([0xa; 16]);
const B: ArtifactId = ArtifactId::from_bytes([0xb; 16]);

fn backend_of_ten_bytes() -> MemBackend {
    MemBackend::new(MemConfig::default().with_max_total_bytes(10))
}

#[tokio::test]
async fn stores_up_to_the_limit_succeed_and_one_byte_more_is_out_of_space() {
    let backend = backend_of_ten_bytes();
    backend
        .store(A, Bytes::from_static(&[1; 10]))
        .await
        .unwrap();
    assert_eq!(backend.used_bytes(), 10);

    let error = backend
        .store(B, Bytes::from_static(&[2]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfSpace);
    assert_eq!(error.operation(), Operation::Store);
    assert_eq!(backend.used_bytes(), 10);
    assert_eq!(
        backend.load(B).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );

    // An empty blob needs no room.
    backend.store(B, Bytes::new()).await.unwrap();
    assert_eq!(backend.len(), 2);
}

#[tokio::test]
async fn taken_ids_are_already_exists_even_if_the_store_is_full() {
    let backend = backend_of_ten_bytes();
    backend
        .store(A, Bytes::from_static(&[1; 10]))
        .await
        .unwrap();
    let error = backend
        .store(A, Bytes::from_static(&[2; 5]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(backend.used_bytes(), 10);
}

#[tokio::test]
async fn uploads_count_until_they_are_dropped_or_aborted() {
    let backend = backend_of_ten_bytes();
    let mut dropped = backend.upload(A).await.unwrap();
    dropped.write(Bytes::from_static(&[1; 6])).await.unwrap();
    let mut aborted = backend.upload(B).await.unwrap();
    aborted.write(Bytes::from_static(&[2; 4])).await.unwrap();
    assert_eq!(backend.used_bytes(), 10);
    assert!(backend.is_empty());

    aborted.abort().await.unwrap();
    assert_eq!(backend.used_bytes(), 6);
    drop(dropped);
    assert_eq!(backend.used_bytes(), 0);
}

#[tokio::test]
async fn writes_over_the_limit_break_the_upload() {
    let backend = backend_of_ten_bytes();
    let mut upload = backend.upload(A).await.unwrap();
    upload.write(Bytes::from_static(&[1; 6])).await.unwrap();
    let full = upload.write(Bytes::from_static(&[1; 5])).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::OutOfSpace);
    let later = upload.write(Bytes::from_static(&[1])).await.unwrap_err();
    assert_eq!(later.kind(), ErrorKind::Unexpected);
    assert_eq!(later.operation(), Operation::Write);
    let commit = upload.commit().await.unwrap_err();
    assert_eq!(commit.kind(), ErrorKind::Unexpected);
    assert_eq!(commit.operation(), Operation::Commit);
    assert_eq!(backend.used_bytes(), 0);
    assert!(backend.is_empty());
}

#[tokio::test]
async fn the_loser_of_two_commits_frees_its_room() {
    let backend = backend_of_ten_bytes();
    let mut first = backend.upload(A).await.unwrap();
    let mut second = backend.upload(A).await.unwrap();
    first.write(Bytes::from_static(&[1; 3])).await.unwrap();
    second.write(Bytes::from_static(&[2; 4])).await.unwrap();
    second.commit().await.unwrap();
    let error = first.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(backend.used_bytes(), 4);
    assert_eq!(&backend.load(A).await.unwrap()[..], [2; 4]);
}

#[tokio::test]
async fn delete_frees_room_once() {
    let backend = backend_of_ten_bytes();
    backend.store(A, Bytes::from_static(&[1; 7])).await.unwrap();
    backend.delete(A).await.unwrap();
    backend.delete(A).await.unwrap();
    assert_eq!(backend.used_bytes(), 0);
    backend
        .store(B, Bytes::from_static(&[2; 10]))
        .await
        .unwrap();
}

#[tokio::test]
async fn announced_sizes_reserve_nothing() {
    let backend = backend_of_ten_bytes();
    let mut upload = backend.upload(A).await.unwrap();
    upload.expect_size(u64::MAX);
    assert_eq!(backend.used_bytes(), 0);
    upload.write(Bytes::from_static(&[1; 10])).await.unwrap();
    upload.commit().await.unwrap();
    assert_eq!(backend.used_bytes(), 10);
}

#[tokio::test]
async fn modified_is_the_time_of_the_commit() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let clock = Arc::new(ManualClock::new(start));
    let backend = MemBackend::new(MemConfig::default().with_clock(clock.clone()));
    backend.store(A, Bytes::new()).await.unwrap();
    let upload = backend.upload(B).await.unwrap();
    clock.advance(Duration::from_secs(5));
    upload.commit().await.unwrap();
    assert_eq!(backend.stat(A).await.unwrap().modified, start);
    assert_eq!(
        backend.stat(B).await.unwrap().modified,
        start + Duration::from_secs(5)
    );
}

#[tokio::test]
async fn debug_does_not_print_blobs() {
    let backend = MemBackend::default();
    backend
        .store(A, Bytes::from_static(b"canary-4711"))
        .await
        .unwrap();
    let mut upload = backend.upload(B).await.unwrap();
    upload
        .write(Bytes::from_static(b"canary-4711"))
        .await
        .unwrap();
    let text = format!("{backend:?} {upload:?}");
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("blobs: 1"), "{text}");
}

#[tokio::test]
async fn downloads_continue_after_the_blob_is_deleted() {
    let backend = MemBackend::default();
    let blob = Bytes::from(vec![7; 600 * 1024]);
    backend.store(A, blob.clone()).await.unwrap();
    let mut download = backend
        .download(A, artifact_backend::ByteRange::Full)
        .await
        .unwrap();
    let first = download.next().await.unwrap().unwrap();
    assert_eq!(first.len(), 256 * 1024);
    backend.delete(A).await.unwrap();
    assert_eq!(download.into_bytes().await.unwrap(), blob[256 * 1024..]);
}
