//! What is retried, and what never is.

use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, BlobStat, ByteRange,
    ChunkSize, Download, Error, ErrorKind, Operation, Result, StoreId, Upload,
};
use artifact_backend_conformance::{Fault, FaultBackend, Point};
use artifact_layers::{Retry, RetryBackend, Timeout};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::support::{BLOB, Stamped, backend, kind, noise, settle, stored};

/// Every operation that the layer retries.
const RETRIED: [Operation; 11] = [
    Operation::Store,
    Operation::Upload,
    Operation::Load,
    Operation::Download,
    Operation::Stat,
    Operation::List,
    Operation::Delete,
    Operation::Sweep,
    Operation::ReadStoreId,
    Operation::CreateStoreId,
    Operation::Probe,
];

async fn call(
    backend: &RetryBackend<FaultBackend>,
    operation: Operation,
    id: ArtifactId,
) -> Result<()> {
    match operation {
        Operation::Store => backend.store(ArtifactId::mint(), Bytes::new()).await,
        Operation::Upload => backend.upload(ArtifactId::mint()).await.map(drop),
        Operation::Load => backend.load(id).await.map(drop),
        Operation::Download => backend.download(id, ByteRange::Full).await.map(drop),
        Operation::Stat => backend.stat(id).await.map(drop),
        Operation::List => backend.list().await.map(drop),
        Operation::Delete => backend.delete(id).await,
        Operation::Sweep => backend.sweep(Duration::ZERO).await.map(drop),
        Operation::ReadStoreId => backend.store_id().await.map(drop),
        Operation::CreateStoreId => backend.create_store_id(StoreId::mint()).await.map(drop),
        Operation::Probe => backend.probe().await,
        other => panic!("{other} is not retried"),
    }
}

#[tokio::test(start_paused = true)]
async fn unavailable_calls_are_retried_until_they_succeed() {
    for operation in RETRIED {
        let inner = backend();
        let backend = inner.clone().layer(Retry::new());
        let id = stored(&inner).await;
        let before = inner.calls(operation);
        for nth in 1..=3 {
            inner.inject(Fault::before(operation, ErrorKind::Unavailable).nth(nth));
        }
        call(&backend, operation, id).await.unwrap();
        assert_eq!(inner.calls(operation) - before, 4, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_returned_when_no_retry_is_left() {
    for operation in RETRIED {
        let inner = backend();
        let backend = inner.clone().layer(Retry::new().with_max_retries(2));
        let id = stored(&inner).await;
        for nth in 1..=3 {
            inner.inject(Fault::before(operation, ErrorKind::Unavailable).nth(nth));
        }
        let failed = call(&backend, operation, id).await;
        assert_eq!(kind(failed), ErrorKind::Unavailable, "{operation}");
        assert_eq!(inner.pending(), 0, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_other_error_is_retried() {
    for operation in RETRIED {
        for &failure in ErrorKind::ALL {
            if failure == ErrorKind::Unavailable {
                continue;
            }
            let inner = backend();
            let backend = inner.clone().layer(Retry::new());
            let id = stored(&inner).await;
            let (before, began) = (inner.calls(operation), Instant::now());
            inner.inject(Fault::before(operation, failure));
            assert_eq!(kind(call(&backend, operation, id).await), failure);
            assert_eq!(inner.calls(operation) - before, 1, "{operation}: {failure}");
            assert_eq!(began.elapsed(), Duration::ZERO);
        }
    }
}

/// A retry would meet the blob of the first attempt and report it as `AlreadyExists`, or as `Ok`.
#[tokio::test(start_paused = true)]
async fn a_store_whose_outcome_is_unknown_stays_ambiguous() {
    let inner = backend();
    let backend = inner.clone().layer(Retry::new());
    let id = ArtifactId::mint();
    inner.inject(Fault::lost_answer(Operation::Store).nth(2));
    inner.inject(Fault::before(Operation::Store, ErrorKind::Unavailable));
    let stored = backend.store(id, Bytes::from_static(BLOB)).await;
    assert_eq!(kind(stored), ErrorKind::Ambiguous);
    assert_eq!(inner.calls(Operation::Store), 2);
    assert_eq!(backend.load(id).await.unwrap(), BLOB);
}

#[tokio::test(start_paused = true)]
async fn already_exists_after_a_retry_names_the_blob_of_another() {
    let inner = backend();
    let backend = inner.clone().layer(Retry::new());
    let id = ArtifactId::mint();
    inner.inject(Fault::before(Operation::Store, ErrorKind::Unavailable));
    let rival = inner.clone();
    let store = tokio::spawn(async move { backend.store(id, Bytes::from_static(b"late")).await });
    settle().await;
    // The first attempt has failed, and the retry has not begun.
    rival.store(id, Bytes::from_static(BLOB)).await.unwrap();
    assert_eq!(kind(store.await.unwrap()), ErrorKind::AlreadyExists);
    assert_eq!(inner.load(id).await.unwrap(), BLOB);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_timed_out_is_not_retried() {
    let inner = backend();
    let limit = Duration::from_secs(30);
    let backend = inner.clone().layer(Timeout::new(limit)).layer(Retry::new());
    let id = stored(&inner).await;
    let _hold = inner.hold(Operation::Load, Point::Before);
    let began = Instant::now();
    let error = backend.load(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(began.elapsed(), limit);
    assert_eq!(inner.calls(Operation::Load), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_timed_out_is_retried_on_request_unless_it_is_ambiguous() {
    let inner = backend();
    let retry = Retry::new().with_timed_out(true);
    let limited = inner.clone().layer(Timeout::new(Duration::from_secs(30)));
    let backend = limited.layer(retry);
    let id = stored(&inner).await;
    let _load = inner.hold(Operation::Load, Point::Before);
    assert_eq!(backend.load(id).await.unwrap(), BLOB);
    assert_eq!(inner.calls(Operation::Load), 2);
    let _store = inner.hold(Operation::Store, Point::After);
    let late = backend.store(ArtifactId::mint(), Bytes::new()).await;
    assert_eq!(kind(late), ErrorKind::Ambiguous);
    assert_eq!(inner.calls(Operation::Store), 2);
}

#[tokio::test(start_paused = true)]
async fn writes_and_commits_are_not_retried() {
    let inner = backend();
    let backend = inner.clone().layer(Retry::new());
    let id = ArtifactId::mint();
    inner.inject(Fault::before(Operation::Write, ErrorKind::Unavailable));
    let mut upload = backend.upload(id).await.unwrap();
    let written = upload.write(Bytes::from_static(BLOB)).await;
    assert_eq!(kind(written), ErrorKind::Unavailable);
    upload.abort().await.unwrap();
    inner.inject(Fault::before(Operation::Commit, ErrorKind::Unavailable));
    let upload = backend.upload(id).await.unwrap();
    assert_eq!(kind(upload.commit().await), ErrorKind::Unavailable);
    assert_eq!(inner.calls(Operation::Write), 1);
    assert_eq!(inner.calls(Operation::Commit), 1);
    assert_eq!(kind(inner.load(id).await), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn the_delays_double_up_to_the_longest_with_jitter() {
    let inner = backend();
    let (initial, max) = (Duration::from_millis(100), Duration::from_millis(400));
    let retry = Retry::new().with_max_retries(5).with_delays(initial, max);
    let backend = inner.clone().layer(retry);
    for nth in 1..=6 {
        inner.inject(Fault::before(Operation::Stat, ErrorKind::Unavailable).nth(nth));
    }
    let began = Instant::now();
    assert_eq!(
        kind(backend.stat(ArtifactId::mint()).await),
        ErrorKind::Unavailable
    );
    // 100, 200, 400, 400 and 400 ms, each shortened by up to half.
    let took = began.elapsed().as_millis();
    assert!((750..=1_510).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_broken_download_continues_where_it_ended() {
    let bytes = noise(1 << 20);
    for cut in [0, 1, 300_000, (1 << 20) - 1] {
        let inner = backend();
        let id = ArtifactId::mint();
        inner.store(id, bytes.clone()).await.unwrap();
        let backend = Stamped::new(inner.clone()).layer(Retry::new());
        inner.inject(Fault::cut(cut, ErrorKind::Unavailable));
        inner.inject(Fault::before(Operation::Download, ErrorKind::Unavailable).nth(2));
        inner.inject(Fault::cut(0, ErrorKind::Unavailable).nth(3));
        let range = ByteRange::FromTo {
            first: 0,
            last: (1 << 20) - 1,
        };
        let download = backend.download(id, range).await.unwrap();
        assert!(download.stamp().is_some());
        assert_eq!(download.into_bytes().await.unwrap(), bytes, "{cut}");
        assert_eq!(inner.calls(Operation::Download), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_download_never_mixes_two_states_of_the_storage() {
    let inner = backend();
    let id = ArtifactId::mint();
    inner.store(id, noise(1_000)).await.unwrap();
    let stamped = Stamped::new(inner.clone());
    let backend = stamped.clone().layer(Retry::new());
    inner.inject(Fault::cut(10, ErrorKind::Unavailable));
    let mut download = backend.download(id, ByteRange::Full).await.unwrap();
    assert_eq!(download.next().await.unwrap().unwrap(), noise(1_000)[..10]);
    stamped.touch();
    let error = download.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(download.next().await.is_none());
}

/// A backend whose downloads allocate chunks of the size that the reader wants, and break after each chunk.
#[derive(Debug)]
struct OneChunk(Bytes);

#[async_trait]
impl ArtifactBackend for OneChunk {
    async fn store(&self, _id: ArtifactId, _bytes: Bytes) -> Result<()> {
        unimplemented()
    }

    async fn upload(&self, _id: ArtifactId) -> Result<Box<dyn Upload>> {
        unimplemented()
    }

    async fn load(&self, _id: ArtifactId) -> Result<Bytes> {
        unimplemented()
    }

    async fn stat(&self, _id: ArtifactId) -> Result<BlobStat> {
        unimplemented()
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let range = range.resolve(self.0.len() as u64).unwrap();
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
        let (bytes, size) = (self.0.slice(start..end), ChunkSize::new(4));
        let wanted = size.clone();
        let chunk = stream::once(async move { Ok(bytes.slice(..wanted.get().min(bytes.len()))) });
        let broken = Error::new(ErrorKind::Unavailable, Operation::Download);
        let chunks = chunk.chain(stream::iter([Err(broken)])).boxed();
        Ok(Download::new(id, self.0.len() as u64, range, chunks).with_chunk_size(size))
    }
}

fn unimplemented<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, Operation::Open))
}

#[tokio::test(start_paused = true)]
async fn a_continued_download_has_chunks_of_the_size_that_its_reader_wants() {
    let backend = OneChunk(noise(20)).layer(Retry::new());
    let id = ArtifactId::mint();
    let mut download = backend.download(id, ByteRange::Full).await.unwrap();
    let mut sizes = Vec::new();
    for wanted in [4, 4, 2, 7] {
        download.chunk_size().unwrap().set(wanted);
        sizes.push(download.next().await.unwrap().unwrap().len());
    }
    assert_eq!(sizes, [4, 4, 2, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_corrupt_or_deleted_ends_with_that_error() {
    for (failure, delete, expected) in [
        (ErrorKind::Corrupt, false, ErrorKind::Corrupt),
        (ErrorKind::Unavailable, true, ErrorKind::NotFound),
    ] {
        let inner = backend();
        let id = stored(&inner).await;
        let backend = inner.clone().layer(Retry::new());
        inner.inject(Fault::cut(4, failure));
        let download = backend.download(id, ByteRange::Full).await.unwrap();
        if delete {
            inner.delete(id).await.unwrap();
        }
        assert_eq!(kind(download.into_bytes().await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_dropped_between_two_attempts_is_not_attempted_again() {
    let inner = backend();
    let backend = inner.clone().layer(Retry::new());
    inner.inject(Fault::before(Operation::Store, ErrorKind::Unavailable));
    let store = backend.store(ArtifactId::mint(), Bytes::new());
    let dropped = tokio::time::timeout(Duration::from_millis(1), store).await;
    assert!(dropped.is_err());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(inner.calls(Operation::Store), 1);
}
