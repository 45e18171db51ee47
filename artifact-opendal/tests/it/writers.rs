//! Writers: one chunk, several chunks, and writers that end early.

use artifact_backend::{ErrorKind as BackendErrorKind, Operation};
use artifact_backend_conformance::Fault;
use artifact_opendal::new_path;
use opendal_core::{ErrorKind, Operator, Writer};

use crate::world;

async fn writer(operator: &Operator, path: &str) -> Writer {
    operator
        .writer_with(path)
        .if_not_exists(true)
        .await
        .unwrap()
}

async fn is_empty(operator: &Operator) -> bool {
    operator.list("/").await.unwrap().is_empty()
}

#[tokio::test]
async fn one_chunk_is_a_store_and_more_are_an_upload() {
    let (backend, operator) = world();
    for (chunks, uploads) in [
        (&[][..], 0),
        (&["one"], 0),
        (&["one", "", "two", "three"], 1),
    ] {
        let path = new_path();
        let before = backend.calls(Operation::Upload);
        let mut writer = writer(&operator, &path).await;
        for chunk in chunks {
            writer.write(*chunk).await.unwrap();
        }
        assert!(!operator.exists(&path).await.unwrap());
        let metadata = writer.close().await.unwrap();
        let expected = chunks.concat();
        assert_eq!(metadata.content_length(), expected.len() as u64);
        assert_eq!(
            operator.read(&path).await.unwrap().to_vec(),
            expected.as_bytes()
        );
        assert_eq!(
            backend.calls(Operation::Upload) - before,
            uploads,
            "{chunks:?}"
        );
    }
}

#[tokio::test]
async fn aborted_and_dropped_writers_store_nothing() {
    let (_, operator) = world();
    for chunks in [1, 3] {
        let mut aborted = writer(&operator, &new_path()).await;
        let mut dropped = writer(&operator, &new_path()).await;
        for _ in 0..chunks {
            aborted.write("bytes").await.unwrap();
            dropped.write("bytes").await.unwrap();
        }
        aborted.abort().await.unwrap();
        drop(dropped);
        assert!(is_empty(&operator).await);
    }
}

#[tokio::test]
async fn a_writer_with_a_failed_write_stores_nothing() {
    let (backend, operator) = world();
    let mut writer = writer(&operator, &new_path()).await;
    backend.inject(Fault::before(Operation::Write, BackendErrorKind::OutOfSpace).nth(2));
    writer.write("one").await.unwrap();
    assert!(writer.write("two").await.is_err());
    assert!(writer.close().await.is_err());
    assert!(is_empty(&operator).await);
    assert_eq!(
        backend.calls(Operation::Commit) + backend.calls(Operation::Store),
        0
    );
}

#[tokio::test]
async fn of_two_writers_of_one_path_the_first_to_close_wins() {
    let (_, operator) = world();
    let path = new_path();
    let mut first = writer(&operator, &path).await;
    let mut second = writer(&operator, &path).await;
    for chunk in ["a", "b"] {
        first.write(chunk).await.unwrap();
        second.write("other").await.unwrap();
    }
    first.close().await.unwrap();
    let error = second.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
    assert_eq!(operator.read(&path).await.unwrap().to_bytes(), "ab");
}
