//! How a `FaultBackend` changes calls.

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Download, ErrorKind, Operation,
    Result, Shard, Stamp, forward,
};
use artifact_backend_conformance::{Fault, FaultBackend, Point};
use artifact_backend_mem::MemBackend;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

const BLOB: &[u8] = b"0123456789";

fn backend() -> FaultBackend {
    FaultBackend::new(MemBackend::default())
}

async fn stored(backend: &FaultBackend) -> ArtifactId {
    let id = ArtifactId::mint();
    backend.store(id, Bytes::from_static(BLOB)).await.unwrap();
    id
}

#[tokio::test]
async fn a_call_that_fails_before_the_backend_has_no_effect() {
    let backend = backend();
    backend.inject(Fault::before(Operation::Store, ErrorKind::OutOfSpace));
    let id = ArtifactId::mint();
    let error = backend
        .store(id, Bytes::from_static(BLOB))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("store of artifact {id}: out of space: injected by a test")
    );
    assert_eq!(
        backend.load(id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    // The fault happens only once.
    backend.store(id, Bytes::from_static(BLOB)).await.unwrap();
    assert_eq!(backend.pending(), 0);
}

#[tokio::test]
async fn a_call_that_fails_after_the_backend_has_its_effect() {
    let backend = backend();
    backend.inject(Fault::lost_answer(Operation::Commit));
    let id = ArtifactId::mint();
    let mut upload = backend.upload(id).await.unwrap();
    upload.write(Bytes::from_static(BLOB)).await.unwrap();
    let error = upload.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert_eq!(error.operation(), Operation::Commit);
    assert_eq!(backend.load(id).await.unwrap(), BLOB);
}

#[tokio::test]
async fn nth_counts_the_calls_of_one_operation_since_the_injection() {
    let backend = backend();
    let id = stored(&backend).await;
    backend.inject(Fault::before(Operation::Load, ErrorKind::Unavailable).nth(3));
    backend.inject(Fault::before(Operation::Stat, ErrorKind::Corrupt));
    let mut results = Vec::new();
    for _ in 0..4 {
        results.push(backend.load(id).await.map_err(|error| error.kind()));
    }
    let blob = Ok(Bytes::from_static(BLOB));
    assert_eq!(
        results,
        [
            blob.clone(),
            blob.clone(),
            Err(ErrorKind::Unavailable),
            blob
        ]
    );
    assert_eq!(backend.pending(), 1);
    assert_eq!(
        backend.stat(id).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    let calls = [
        Operation::Store,
        Operation::Load,
        Operation::Stat,
        Operation::Delete,
    ]
    .map(|operation| backend.calls(operation));
    assert_eq!(calls, [1, 4, 1, 0]);
}

#[tokio::test]
async fn a_failed_write_breaks_the_upload() {
    let backend = backend();
    let id = ArtifactId::mint();
    let mut upload = backend.upload(id).await.unwrap();
    backend.inject(Fault::before(Operation::Write, ErrorKind::Unavailable));
    let kinds = [
        upload
            .write(Bytes::from_static(BLOB))
            .await
            .unwrap_err()
            .kind(),
        upload
            .write(Bytes::from_static(BLOB))
            .await
            .unwrap_err()
            .kind(),
        upload.commit().await.unwrap_err().kind(),
    ];
    let broken = ErrorKind::Unexpected;
    assert_eq!(kinds, [ErrorKind::Unavailable, broken, broken]);
    assert_eq!(
        backend.load(id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

async fn read(backend: &FaultBackend, id: ArtifactId) -> (Vec<u8>, Option<ErrorKind>) {
    let mut download = backend.download(id, ByteRange::From(2)).await.unwrap();
    assert_eq!((download.size(), download.range()), (10, 2..10));
    let mut bytes = Vec::new();
    while let Some(chunk) = download.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => {
                assert!(
                    download.next().await.is_none(),
                    "the stream continues after an error"
                );
                return (bytes, Some(error.kind()));
            }
        }
    }
    (bytes, None)
}

#[tokio::test]
async fn a_cut_download_delivers_the_bytes_before_the_cut_and_then_fails() {
    let backend = backend();
    let id = stored(&backend).await;
    backend.inject(Fault::cut(3, ErrorKind::Unavailable));
    assert_eq!(
        read(&backend, id).await,
        (b"234".to_vec(), Some(ErrorKind::Unavailable))
    );
    backend.inject(Fault::cut(0, ErrorKind::Unavailable));
    assert_eq!(
        read(&backend, id).await,
        (Vec::new(), Some(ErrorKind::Unavailable))
    );
    // A cut after the last byte is an error too.
    backend.inject(Fault::cut(8, ErrorKind::Unavailable));
    assert_eq!(
        read(&backend, id).await,
        (b"23456789".to_vec(), Some(ErrorKind::Unavailable))
    );
    assert_eq!(read(&backend, id).await, (b"23456789".to_vec(), None));
}

#[tokio::test]
async fn a_truncated_download_is_reported_as_corrupt() {
    let backend = backend();
    let id = stored(&backend).await;
    backend.inject(Fault::truncate(3));
    assert_eq!(
        read(&backend, id).await,
        (b"234".to_vec(), Some(ErrorKind::Corrupt))
    );
}

#[tokio::test]
async fn a_held_call_waits_before_or_after_its_effect() {
    for (point, stored) in [(Point::Before, false), (Point::After, true)] {
        let backend = backend();
        let id = ArtifactId::mint();
        let hold = backend.hold(Operation::Store, point);
        let store = tokio::spawn({
            let backend = backend.clone();
            async move { backend.store(id, Bytes::from_static(BLOB)).await }
        });
        hold.reached().await;
        assert!(!store.is_finished());
        assert_eq!(backend.load(id).await.is_ok(), stored, "{point:?}");
        hold.release();
        store.await.unwrap().unwrap();
        assert_eq!(backend.load(id).await.unwrap(), BLOB);
    }
}

#[tokio::test]
async fn a_write_dropped_while_it_is_held_breaks_the_upload() {
    let backend = backend();
    let id = ArtifactId::mint();
    let mut upload = backend.upload(id).await.unwrap();
    let hold = backend.hold(Operation::Write, Point::Before);
    tokio::select! {
        biased;
        _ = upload.write(Bytes::from_static(BLOB)) => panic!("the write is held"),
        () = hold.reached() => {}
    }
    hold.release();
    assert_eq!(
        upload.commit().await.unwrap_err().kind(),
        ErrorKind::Unexpected
    );
    assert_eq!(
        backend.load(id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_damaged_blob_is_corrupt_and_listed_as_damaged() {
    let backend = backend();
    let (whole, damaged) = (stored(&backend).await, stored(&backend).await);
    let absent = ArtifactId::mint();
    backend.damage(damaged);
    backend.damage(absent);
    for id in [damaged, absent] {
        let kinds = [
            backend.load(id).await.unwrap_err().kind(),
            backend.stat(id).await.unwrap_err().kind(),
            backend.delete(id).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Corrupt; 3]);
        let taken = backend.store(id, Bytes::from_static(BLOB)).await;
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
    let list = backend.list().await.unwrap();
    let items: Vec<_> = list
        .map(|item| item.map_or_else(|error| Err(error.damaged_blob()), |blob| Ok(blob.id)))
        .collect()
        .await;
    assert_eq!(items.len(), 3);
    for item in [Ok(whole), Err(Some(damaged)), Err(Some(absent))] {
        assert!(items.contains(&item), "{items:?}");
    }
    let mut expected = [Ok(whole), Err(Some(damaged)), Err(Some(absent))];
    expected.sort_by_key(|item| match item {
        Ok(id) | Err(Some(id)) => Some(*id),
        Err(None) => None,
    });
    let mut ordered = Vec::new();
    for shard in Shard::ALL {
        let list = backend.list_shard(shard, None).await.unwrap();
        let items = list.map(|item| {
            item.map(|blob| blob.id)
                .map_err(|error| error.damaged_blob())
        });
        ordered.extend(items.collect::<Vec<_>>().await);
    }
    assert_eq!(ordered, expected);
    assert_eq!(backend.load(whole).await.unwrap(), BLOB);
}

/// A backend whose downloads have a stamp.
#[derive(Debug)]
struct Stamped(MemBackend);

const STAMP: Stamp = Stamp::new([1, 2, 3]);

#[async_trait]
impl ArtifactBackend for Stamped {
    forward!(0 => store, upload, load, stat);

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        Ok(self.0.download(id, range).await?.with_stamp(STAMP))
    }
}

#[async_trait]
impl ArtifactInventory for Stamped {
    forward!(0 => ArtifactInventory);
}

#[tokio::test]
async fn a_download_that_is_cut_keeps_its_stamp() {
    let backend = FaultBackend::new(Stamped(MemBackend::default()));
    let id = stored(&backend).await;
    backend.inject(Fault::cut(4, ErrorKind::Unavailable));
    for _ in 0..2 {
        let download = backend.download(id, ByteRange::Full).await.unwrap();
        assert_eq!(download.stamp(), Some(STAMP));
    }
}
