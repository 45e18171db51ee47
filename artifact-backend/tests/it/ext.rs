//! The convenience methods, including their failures.

use std::error::Error as _;
use std::io;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ByteRange, ErrorKind, Operation, StreamUploadError,
};
use bytes::Bytes;
use futures_util::stream;

use crate::spy::{ID, Spy};

#[tokio::test]
async fn load_within_accepts_the_limit_and_rejects_one_byte_more() {
    let spy = Spy::with_blob(b"0123456789");
    assert_eq!(spy.load_within(ID, 10).await.unwrap(), "0123456789");
    assert_eq!(spy.load_within(ID, u64::MAX).await.unwrap(), "0123456789");
    let error = spy.load_within(ID, 9).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "load of artifact 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a: too large: \
         the blob has 10 bytes, but the limit is 9"
    );
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(spy.calls(), ["download true Full"; 3]);
}

#[tokio::test]
async fn load_within_returns_the_error_of_the_backend() {
    let spy = Spy::failing(Operation::Download);
    let error = spy.load_within(ID, 9).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unavailable, Operation::Download)
    );
}

#[tokio::test]
async fn load_range_returns_only_the_range() {
    let backend: Box<dyn ArtifactBackend> = Box::new(Spy::with_blob(b"0123456789"));
    let range = ByteRange::FromTo { first: 2, last: 4 };
    assert_eq!(backend.load_range(ID, range).await.unwrap(), "234");
    let error = backend
        .load_range(ID, ByteRange::From(10))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.blob_size()),
        (ErrorKind::InvalidRange, Some(10))
    );
}

type Chunks = Vec<Result<Bytes, io::Error>>;

fn chunks(lengths: &[usize]) -> Chunks {
    lengths
        .iter()
        .map(|length| Ok(vec![0; *length].into()))
        .collect()
}

async fn upload(spy: &Spy, chunks: Chunks) -> Result<u64, StreamUploadError<io::Error>> {
    spy.upload_stream(ID, stream::iter(chunks)).await
}

#[tokio::test]
async fn upload_stream_writes_every_chunk_commits_and_counts() {
    let spy = Spy::default();
    assert_eq!(upload(&spy, chunks(&[3, 0, 4])).await.unwrap(), 7);
    assert_eq!(
        spy.calls(),
        ["upload true", "write 3", "write 0", "write 4", "commit"]
    );
    assert_eq!(upload(&spy, chunks(&[])).await.unwrap(), 0);
    assert_eq!(spy.calls(), ["upload true", "commit"]);
}

#[tokio::test]
async fn stream_errors_abort_the_upload() {
    let spy = Spy::default();
    let mut source = chunks(&[3]);
    source.push(Err(io::Error::other("the client is gone")));
    source.extend(chunks(&[4]));
    let error = upload(&spy, source).await.unwrap_err();
    assert_eq!(error.to_string(), "the stream to upload failed");
    assert_eq!(error.source().unwrap().to_string(), "the client is gone");
    assert!(matches!(error, StreamUploadError::Stream(_)));
    assert_eq!(spy.calls(), ["upload true", "write 3", "abort"]);
}

#[tokio::test]
async fn backend_errors_are_returned_from_every_step() {
    for (operation, calls) in [
        (Operation::Upload, &["upload true"][..]),
        (Operation::Write, &["upload true", "write 3", "abort"]),
        (
            Operation::Commit,
            &["upload true", "write 3", "write 4", "commit"],
        ),
    ] {
        let spy = Spy::failing(operation);
        let error = upload(&spy, chunks(&[3, 4])).await.unwrap_err();
        assert_eq!(error.to_string(), "the backend failed to store the upload");
        let StreamUploadError::Backend(below) = error else {
            panic!("the error must come from the backend");
        };
        assert_eq!(below.operation(), operation);
        assert_eq!(spy.calls(), calls);
    }
}

#[tokio::test]
async fn the_stream_error_is_returned_even_if_the_abort_fails() {
    let spy = Spy::failing(Operation::Abort);
    let source = vec![Err(io::Error::other("the client is gone"))];
    let error = upload(&spy, source).await.unwrap_err();
    assert!(matches!(error, StreamUploadError::Stream(_)));
    assert_eq!(spy.calls(), ["upload true", "abort"]);
}

#[test]
fn futures_are_send() {
    fn send<T: Send>(_: &T) {}
    let spy = Spy::default();
    let backend: &dyn ArtifactBackend = &spy;
    send(&backend.load_within(ID, 1));
    send(&backend.load_range(ID, ByteRange::Full));
    send(&backend.upload_stream(ID, stream::iter(chunks(&[]))));
}
