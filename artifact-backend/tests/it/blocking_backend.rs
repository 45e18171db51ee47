//! The backend for programs without a runtime. These tests have none.

use std::io::{self, BufRead, Read, Write};
use std::thread;
use std::time::Duration;

use artifact_backend::{
    ArtifactId, BlockingBackend, ByteRange, Error, ErrorKind, Operation, Shard, StoreId,
};
use artifact_backend_mem::MemBackend;

fn backend() -> BlockingBackend<MemBackend> {
    BlockingBackend::open(async { Ok(MemBackend::default()) }).unwrap()
}

#[test]
fn a_program_without_a_runtime_stores_and_loads() {
    let backend = backend();
    let [stored, uploaded] = [ArtifactId::mint(), ArtifactId::mint()];
    backend.store(stored, "ten bytes!".into()).unwrap();
    assert_eq!(backend.load(stored).unwrap(), "ten bytes!");
    let again = backend.store(stored, "others".into()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);

    let right: Vec<u8> = (0..3_000_000_u32)
        .map(|position| (position % 251).to_le_bytes()[0])
        .collect();
    let mut upload = backend.upload(uploaded).unwrap();
    io::copy(&mut &right[..], &mut upload).unwrap();
    upload.flush().unwrap();
    assert_eq!(
        backend.stat(uploaded).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    upload.commit().unwrap();
    assert_eq!(backend.stat(uploaded).unwrap().size, 3_000_000);

    let mut found = Vec::new();
    let mut download = backend.download(uploaded, (10..).into()).unwrap();
    assert_eq!(download.download().size(), 3_000_000);
    download.read_to_end(&mut found).unwrap();
    assert_eq!(found, right[10..]);
    let download = backend.download(stored, ByteRange::Full).unwrap();
    let words: Vec<_> = download.split(b' ').map(Result::unwrap).collect();
    assert_eq!(words, [b"ten".to_vec(), b"bytes!".to_vec()]);
}

#[test]
fn dropped_and_aborted_uploads_publish_nothing() {
    let backend = backend();
    let mut upload = backend.upload(ArtifactId::mint()).unwrap();
    upload.write_all(&vec![7; 600_000]).unwrap();
    drop(upload);
    let mut upload = backend.upload(ArtifactId::mint()).unwrap();
    upload.write_all(b"abc").unwrap();
    upload.abort().unwrap();
    assert_eq!(
        (backend.inner().len(), backend.inner().used_bytes()),
        (0, 0)
    );
}

#[test]
fn maintenance_blocks_too() {
    let backend = backend();
    let [kept, deleted] = [ArtifactId::mint(), ArtifactId::mint()];
    backend.store(kept, "kept".into()).unwrap();
    backend.store(deleted, "deleted".into()).unwrap();
    backend.delete(deleted).unwrap();
    let listed: Vec<_> = backend
        .list()
        .unwrap()
        .map(|blob| blob.unwrap().id)
        .collect();
    assert_eq!(listed, [kept]);
    let shard = backend.list_shard(Shard::of(kept), None).unwrap();
    let shard: Vec<_> = shard.map(|blob| blob.unwrap().id).collect();
    assert_eq!(shard, [kept]);
    assert_eq!(backend.sweep(Duration::ZERO).unwrap().removed, 0);
    let id = StoreId::mint();
    assert_eq!(backend.store_id().unwrap(), None);
    assert_eq!(backend.create_store_id(id).unwrap(), id);
    assert_eq!(backend.store_id().unwrap(), Some(id));
    backend.probe().unwrap();
    backend.close();
}

#[test]
fn several_threads_share_one_backend() {
    let backend = backend();
    thread::scope(|scope| {
        for _ in 0..8 {
            let backend = backend.clone();
            scope.spawn(move || {
                let id = ArtifactId::mint();
                backend.store(id, "shared".into()).unwrap();
                assert_eq!(backend.load(id).unwrap(), "shared");
            });
        }
    });
    assert_eq!(backend.inner().len(), 8);
}

#[test]
fn the_error_of_the_opening_is_returned() {
    let opening = async {
        let error = Error::new(ErrorKind::Misconfigured, Operation::Open);
        Err::<MemBackend, _>(error)
    };
    let error = BlockingBackend::open(opening).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[test]
fn it_can_be_used_from_blocking_threads_and_dropped_in_a_task() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = backend();
    runtime.block_on(async move {
        let shared = backend.clone();
        let id = ArtifactId::mint();
        let work = move || shared.store(id, "from a blocking thread".into());
        tokio::task::spawn_blocking(work).await.unwrap().unwrap();
        let download = {
            let shared = backend.clone();
            let work = move || shared.download(id, ByteRange::Full);
            tokio::task::spawn_blocking(work).await.unwrap().unwrap()
        };
        drop(backend);
        drop(download);
    });
}
