//! Multipart uploads: parts in any order of polling, and parts that are missing.

use artifact_backend::{ErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend};
use artifact_backend_mem::MemBackend;
use artifact_object_store::{ArtifactObjectStore, new_path};
use futures_util::TryStreamExt;
use futures_util::future::{join_all, try_join_all};
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, WriteMultipart};

fn world() -> (FaultBackend, ArtifactObjectStore) {
    let backend = FaultBackend::new(MemBackend::default());
    let store = ArtifactObjectStore::new(backend.clone());
    (backend, store)
}

async fn assert_empty(store: &ArtifactObjectStore) {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed, []);
}

#[tokio::test]
async fn parts_are_stored_in_the_order_of_their_creation() {
    let (_, store) = world();
    let path = new_path();
    let mut upload = store.put_multipart(&path).await.unwrap();
    let mut parts: Vec<_> = ["one ", "two ", "", "three"]
        .map(|part| upload.put_part(part.into()))
        .into();
    parts.reverse();
    for part in parts {
        part.await.unwrap();
    }
    assert_empty(&store).await;
    let put = upload.complete().await.unwrap();
    assert_eq!(put.e_tag, store.head(&path).await.unwrap().e_tag);
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, "one two three");
    assert!(upload.complete().await.is_err());
    assert!(upload.abort().await.is_err());

    let path = new_path();
    let mut upload = store.put_multipart(&path).await.unwrap();
    let parts = (0..100u8).map(|n| upload.put_part(vec![n; 10].into()));
    try_join_all(parts.collect::<Vec<_>>()).await.unwrap();
    upload.complete().await.unwrap();
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    let expected: Vec<_> = (0..100u8).flat_map(|n| [n; 10]).collect();
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn the_buffered_writer_of_object_store_works() {
    let (_, store) = world();
    let path = new_path();
    let upload = store.put_multipart(&path).await.unwrap();
    let mut writer = WriteMultipart::new_with_chunk_size(upload, 1_000);
    for _ in 0..10 {
        writer.write(&[7; 999]);
    }
    writer.finish().await.unwrap();
    assert_eq!(store.head(&path).await.unwrap().size, 9_990);
}

#[tokio::test]
async fn an_upload_with_a_part_that_was_not_awaited_stores_nothing() {
    let (_, store) = world();
    for await_the_last in [false, true] {
        let mut upload = store.put_multipart(&new_path()).await.unwrap();
        upload.put_part("first".into()).await.unwrap();
        drop(upload.put_part("dropped".into()));
        if await_the_last {
            upload.put_part("last".into()).await.unwrap();
        }
        let error = upload.complete().await.unwrap_err();
        assert!(
            error.to_string().contains("await every future of put_part"),
            "{error}"
        );
        assert_empty(&store).await;
    }
}

#[tokio::test]
async fn an_upload_with_a_failed_part_stores_nothing() {
    let (backend, store) = world();
    let mut upload = store.put_multipart(&new_path()).await.unwrap();
    backend.inject(Fault::before(Operation::Write, ErrorKind::OutOfSpace).nth(2));
    let parts = ["one", "two", "three"].map(|part| upload.put_part(part.into()));
    let results = join_all(parts).await;
    assert!(results.iter().any(Result::is_err), "{results:?}");
    let error = upload.complete().await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error:?}");
    assert_empty(&store).await;
    assert_eq!(backend.calls(Operation::Commit), 0);
}

#[tokio::test]
async fn an_aborted_or_dropped_upload_stores_nothing_and_a_taken_path_is_kept() {
    let (_, store) = world();
    let path = new_path();
    let mut aborted = store.put_multipart(&path).await.unwrap();
    aborted.put_part("aborted".into()).await.unwrap();
    aborted.abort().await.unwrap();
    let mut dropped = store.put_multipart(&path).await.unwrap();
    dropped.put_part("dropped".into()).await.unwrap();
    drop(dropped);
    assert_empty(&store).await;

    let mut late = store.put_multipart(&path).await.unwrap();
    late.put_part("late".into()).await.unwrap();
    let put = store.put_opts(&path, "first".into(), PutMode::Create.into());
    put.await.unwrap();
    let taken = late.complete().await.unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken:?}");
    let kept = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(kept, "first");
}
