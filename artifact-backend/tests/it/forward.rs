//! `Arc` and `Box` of a backend forward every method.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactInventory, ByteRange, Shard, SweepReport};
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::spy::{ID, STORE_ID, Spy};

pub(crate) async fn every_method(backend: impl ArtifactInventory, spy: &Spy) {
    backend.store(ID, Bytes::from_static(b"abc")).await.unwrap();
    backend.upload(ID).await.unwrap().commit().await.unwrap();
    assert_eq!(backend.load(ID).await.unwrap(), "0123456789");
    let download = backend.download(ID, ByteRange::Suffix(2)).await.unwrap();
    assert_eq!(download.into_bytes().await.unwrap(), "89");
    let listed: Vec<_> = backend.list().await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed, []);
    let listed = backend.list_shard(Shard::ALL[10], Some(ID)).await.unwrap();
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    assert_eq!(listed, []);
    assert_eq!(backend.stat(ID).await.unwrap().size, 7);
    backend.delete(ID).await.unwrap();
    let report = backend.sweep(Duration::from_secs(9)).await.unwrap();
    let SweepReport {
        removed,
        removed_bytes,
        kept,
        ..
    } = report;
    assert_eq!((removed, removed_bytes, kept), (2, 11, 1));
    assert_eq!(backend.store_id().await.unwrap(), Some(STORE_ID));
    let created = backend.create_store_id(STORE_ID).await.unwrap();
    assert_eq!(created, STORE_ID);
    backend.probe().await.unwrap();
    backend.close().await;
    assert_eq!(
        spy.calls(),
        [
            "store true 3",
            "upload true",
            "commit",
            "load true",
            "download true Suffix(2)",
            "list",
            "list a true",
            "stat true",
            "delete true",
            "sweep 9s",
            "read store id",
            "create store id true",
            "probe",
            "close",
        ]
    );
}

#[tokio::test]
async fn pointers_forward_every_method() {
    let spy = Spy::with_blob(b"0123456789");
    every_method(Arc::new(spy.clone()), &spy).await;
    every_method(Box::new(spy.clone()), &spy).await;
    every_method(Arc::new(spy.clone()) as Arc<dyn ArtifactInventory>, &spy).await;
    every_method(Box::new(spy.clone()) as Box<dyn ArtifactInventory>, &spy).await;
    every_method(Arc::new(Box::new(spy.clone())), &spy).await;
}

#[tokio::test]
async fn an_inventory_coerces_to_a_backend() {
    let spy = Spy::with_blob(b"01");
    let inventory: Arc<dyn ArtifactInventory> = Arc::new(spy.clone());
    let backend: Arc<dyn ArtifactBackend> = inventory;
    assert_eq!(backend.load(ID).await.unwrap(), "01");
    assert_eq!(spy.calls(), ["load true"]);
}
