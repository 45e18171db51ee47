//! Two backends as one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobStat, ByteRange, Download, ErrorKind,
    Operation, Result, Shard, StoreId, forward,
};
use artifact_backend_conformance::{Fault, FaultBackend};
use artifact_backend_mem::MemBackend;
use artifact_layers::MovingBackend;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use crate::support::backend;

struct Pair {
    current: FaultBackend,
    previous: FaultBackend,
    moving: MovingBackend,
}

fn pair() -> Pair {
    let (current, previous) = (backend(), backend());
    let moving = MovingBackend::new(Arc::new(current.clone()), Arc::new(previous.clone()));
    Pair {
        current,
        previous,
        moving,
    }
}

fn id(n: u128) -> ArtifactId {
    ArtifactId::from_bytes(n.to_be_bytes())
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn reads(backend: &dyn ArtifactBackend, id: ArtifactId) -> Result<(Bytes, Bytes, u64)> {
    let download = backend.download(id, ByteRange::Full).await?;
    let streamed = download.into_bytes().await?;
    Ok((
        backend.load(id).await?,
        streamed,
        backend.stat(id).await?.size,
    ))
}

#[tokio::test]
async fn stores_go_to_the_current_backend_and_reads_find_both() {
    let Pair {
        current,
        previous,
        moving,
    } = pair();
    previous.store(id(1), bytes("before")).await.unwrap();
    moving.store(id(2), bytes("now")).await.unwrap();
    let mut upload = moving.upload(id(3)).await.unwrap();
    upload.write(bytes("streamed")).await.unwrap();
    upload.commit().await.unwrap();
    for (id, text) in [(id(1), "before"), (id(2), "now"), (id(3), "streamed")] {
        let expected = (bytes(text), bytes(text), text.len() as u64);
        assert_eq!(reads(&moving, id).await.unwrap(), expected);
    }
    for id in [id(2), id(3)] {
        assert!(current.stat(id).await.is_ok() && previous.stat(id).await.is_err());
    }
    let error = moving.load(id(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_id_of_the_previous_backend_is_taken() {
    let Pair {
        current,
        previous,
        moving,
    } = pair();
    previous.store(id(1), bytes("before")).await.unwrap();
    previous.store(id(2), bytes("damaged")).await.unwrap();
    previous.damage(id(2));
    for id in [id(1), id(2)] {
        let error = moving.store(id, bytes("other")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let error = moving.upload(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(current.stat(id).await.is_err());
    }
    // If it cannot be known, nothing is stored.
    previous.inject(Fault::before(Operation::Stat, ErrorKind::Unavailable));
    let error = moving.store(id(3), bytes("new")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(current.stat(id(3)).await.is_err());
}

/// A backend from which a blob moves to another one just before it is asked for it.
#[derive(Debug)]
struct MovesAway {
    inner: MemBackend,
    to: MemBackend,
    left: Mutex<Vec<ArtifactId>>,
}

impl MovesAway {
    async fn move_now(&self, id: ArtifactId) {
        let moves = self.left.lock().unwrap().contains(&id);
        if moves && let Ok(bytes) = self.inner.load(id).await {
            self.to.store(id, bytes).await.unwrap();
            self.inner.delete(id).await.unwrap();
        }
    }
}

#[async_trait]
impl ArtifactBackend for MovesAway {
    forward!(inner => store, upload);

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.move_now(id).await;
        self.inner.load(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        self.move_now(id).await;
        self.inner.download(id, range).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.move_now(id).await;
        self.inner.stat(id).await
    }
}

#[async_trait]
impl ArtifactInventory for MovesAway {
    forward!(inner => ArtifactInventory);
}

#[tokio::test]
async fn a_blob_that_moves_between_two_looks_is_found() {
    let (current, previous) = (MemBackend::default(), MemBackend::default());
    for n in 1..=3 {
        previous.store(id(n), bytes("moves")).await.unwrap();
    }
    let previous = MovesAway {
        inner: previous,
        to: current.clone(),
        left: Mutex::new(vec![id(1), id(2), id(3)]),
    };
    let moving = MovingBackend::new(Arc::new(current), Arc::new(previous));
    assert_eq!(moving.load(id(1)).await.unwrap(), bytes("moves"));
    let download = moving.download(id(2), ByteRange::Full).await.unwrap();
    assert_eq!(download.into_bytes().await.unwrap(), bytes("moves"));
    assert_eq!(moving.stat(id(3)).await.unwrap().size, 5);
}

#[tokio::test]
async fn damage_in_the_current_backend_is_not_hidden() {
    let Pair {
        current,
        previous,
        moving,
    } = pair();
    for side in [&current, &previous] {
        side.store(id(1), bytes("both")).await.unwrap();
    }
    current.damage(id(1));
    assert_eq!(
        moving.load(id(1)).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    current.inject(Fault::before(Operation::Stat, ErrorKind::Unavailable));
    let error = moving.stat(id(2)).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Unavailable,
        "not known to be absent"
    );
}

#[tokio::test]
async fn lists_show_each_blob_once_in_order() {
    let Pair {
        current,
        previous,
        moving,
    } = pair();
    // In one of them, in both, and damaged in one or both; in three shards.
    let shard = |n: u128| n << 124;
    for n in 0..60 {
        let id = id(shard(n % 3 * 7) + n);
        if n % 4 != 0 {
            current.store(id, bytes("x")).await.unwrap();
        }
        if n % 4 != 1 {
            previous.store(id, bytes("x")).await.unwrap();
        }
        if n % 5 == 0 {
            current.damage(id);
        }
        if n % 10 == 0 {
            previous.damage(id);
        }
    }
    let expected = |n: u128| {
        (
            id(shard(n % 3 * 7) + n),
            n % 5 == 0 && n % 4 != 0 || n % 10 == 0,
        )
    };
    let mut all: Vec<_> = (0..60).map(expected).collect();
    all.sort_unstable();
    let place = |item: Result<BlobStat>| match item {
        Ok(blob) => (blob.id, false),
        Err(error) => (error.damaged_blob().unwrap(), true),
    };
    let listed: Vec<_> = moving.list().await.unwrap().map(place).collect().await;
    assert_eq!(listed, all);
    for after in [None, Some(all[0].0), Some(all[25].0), Some(all[59].0)] {
        let mut parts = Vec::new();
        for shard in Shard::ALL {
            let list = moving.list_shard(shard, after).await.unwrap();
            parts.extend(list.map(place).collect::<Vec<_>>().await);
        }
        let rest = all
            .iter()
            .filter(|(id, _)| after.is_none_or(|after| *id > after));
        assert_eq!(parts, rest.copied().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_error_of_one_list_ends_the_list() {
    for of_current in [true, false] {
        let Pair {
            current,
            previous,
            moving,
        } = pair();
        moving.store(id(1), bytes("x")).await.unwrap();
        let broken = if of_current { &current } else { &previous };
        broken.inject(Fault::before(Operation::List, ErrorKind::Unavailable));
        let outcome = async { moving.list().await?.try_collect::<Vec<_>>().await };
        assert_eq!(outcome.await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn deletes_reach_both() {
    let Pair {
        current,
        previous,
        moving,
    } = pair();
    for side in [&current, &previous] {
        side.store(id(1), bytes("both")).await.unwrap();
        side.store(id(2), bytes("both")).await.unwrap();
    }
    moving.delete(id(1)).await.unwrap();
    for side in [&current, &previous] {
        assert_eq!(
            side.stat(id(1)).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
    moving.delete(id(1)).await.unwrap();
    // A failure is not hidden, and is repaired by a second call.
    previous.inject(Fault::before(Operation::Delete, ErrorKind::Unavailable));
    assert_eq!(
        moving.delete(id(2)).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert!(previous.stat(id(2)).await.is_ok());
    moving.delete(id(2)).await.unwrap();
    assert!(previous.stat(id(2)).await.is_err());
    moving.sweep(Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn both_have_one_store_id() {
    let Pair {
        current,
        previous,
        moving,
    } = pair();
    let (first, second) = (StoreId::mint(), StoreId::mint());
    assert_eq!(moving.store_id().await.unwrap(), None);
    assert_eq!(previous.create_store_id(first).await.unwrap(), first);
    assert_eq!(moving.create_store_id(second).await.unwrap(), first);
    assert_eq!(current.store_id().await.unwrap(), Some(first));
    assert_eq!(moving.store_id().await.unwrap(), Some(first));

    let Pair {
        current,
        previous,
        moving,
    } = pair();
    previous.create_store_id(first).await.unwrap();
    current.create_store_id(second).await.unwrap();
    for error in [
        moving.store_id().await.unwrap_err(),
        moving.create_store_id(first).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
}
