//! What counts for a quota besides plain deposits: files of collections and uploads.

use std::sync::Arc;

use artifact_backend::ArtifactInventory as _;
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactStore, CollectionId, CollectionPath, CollectionStore, Database, Error, ErrorKind,
    Experiment, ManagedStore, MemoryDatabase, NewArtifact, NewUpload, Principal, Quota, QuotaScope,
    QuotaStatus, Row, StoreConfig, UploadOptions, Uploads,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;

use crate::support::{bytes, experiment, time, worker};

struct Site {
    managed: ManagedStore,
    collections: CollectionStore,
    uploads: Uploads,
    blobs: Arc<MemBackend>,
}

impl Site {
    /// Creates a store whose worker may have ten bytes.
    async fn new() -> Self {
        let database = Database::new(MemoryDatabase::new());
        let new = Experiment::new(experiment(), time(0));
        database.catalog.create_experiment(&new).await.unwrap();
        let blobs = Arc::new(MemBackend::default());
        let config = StoreConfig::default();
        let store = ArtifactStore::new(blobs.clone(), database.catalog, config);
        let managed = ManagedStore::new(store, database.inventory, blobs.clone());
        let quota = Quota::default().with_max_bytes(10);
        let (admin, scope) = (Principal::admin(), own());
        managed.set_quota(&admin, &scope, &quota).await.unwrap();
        Self {
            collections: CollectionStore::new(managed.clone(), database.collections),
            uploads: Uploads::new(managed.clone(), UploadOptions::default()),
            managed,
            blobs,
        }
    }

    async fn status(&self) -> QuotaStatus {
        let found = self.managed.quota(&worker(), &own()).await.unwrap();
        found.unwrap()
    }

    async fn deposit(&self, principal: &Principal, size: usize) -> Result<Arc<Row>, Error> {
        let new = NewArtifact::new(experiment(), principal);
        let mut deposit = self.managed.store().deposit(new);
        deposit.write(bytes(size).into()).await?;
        deposit.finish().await
    }

    /// Deposits a file of a collection as the administrator.
    async fn put(&self, id: CollectionId, name: &str, size: usize) -> Result<Arc<Row>, Error> {
        let (admin, home) = (Principal::admin(), experiment());
        let name: CollectionPath = name.parse().unwrap();
        let new = NewArtifact::new(experiment(), &admin);
        let begun = self.collections.deposit(&admin, &home, id, &name, new);
        let mut deposit = begun.await?;
        deposit.write(bytes(size).into()).await?;
        deposit.finish().await
    }
}

fn own() -> QuotaScope {
    QuotaScope::Principal(experiment(), worker().id())
}

#[tokio::test]
async fn a_file_of_a_collection_counts_for_its_owner() {
    let site = Site::new().await;
    let (owner, home) = (worker(), experiment());
    let created = site.collections.create(&owner, &home, None);
    let id = created.await.unwrap().id;
    let row = site.put(id, "a", 6).await.unwrap();
    assert_eq!(row.created_by, owner.id());
    assert_eq!(site.status().await.bytes_left(), Some(4));
    let error = site.put(id, "b", 5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    let detail = format!(
        "the quota of {} is 10 bytes; 4 bytes are left, and this deposit needs at least 5",
        worker().id()
    );
    assert_eq!(error.detail(), detail);
    // The name is still free, and what the administrator deposits elsewhere does not count.
    site.put(id, "b", 4).await.unwrap();
    site.deposit(&Principal::admin(), 50).await.unwrap();
    assert_eq!(site.status().await.bytes, 10);
    let name: CollectionPath = "a".parse().unwrap();
    let removed = site.collections.remove_file(&owner, &home, id, &name);
    removed.await.unwrap();
    assert_eq!(site.status().await.bytes, 4);
}

#[tokio::test]
async fn an_upload_that_does_not_fit_is_completed_once_there_is_room() {
    let site = Site::new().await;
    let (principal, home) = (worker(), experiment());
    let stored = site.deposit(&principal, 3).await.unwrap();
    let new = NewUpload::new(experiment()).with_length(8);
    // More than is left, but not more than the quota.
    let id = site.uploads.create(&principal, new).await.unwrap().id;
    let mut append = site.uploads.append(&principal, &home, id, 0).await.unwrap();
    append.write(Bytes::from(bytes(8))).await.unwrap();
    assert!(append.finish().await.unwrap().is_whole());
    assert_eq!(site.status().await.bytes, 3, "no artifact yet");
    for _ in 0..2 {
        let completed = site.uploads.complete(&principal, &home, id).await;
        let error = completed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        let detail = format!(
            "the quota of {} is 10 bytes; 7 bytes are left, and this deposit needs at least 8",
            principal.id()
        );
        assert_eq!(error.detail(), detail);
        let session = site.uploads.find(&principal, &home, id).await.unwrap();
        assert_eq!((session.offset, session.artifact), (8, None));
    }
    let removed = site.managed.remove(&principal, &home, stored.id);
    removed.await.unwrap();
    let row = site.uploads.complete(&principal, &home, id).await.unwrap();
    let status = site.status().await;
    assert_eq!((status.bytes, status.artifacts), (8, 1));
    assert_eq!((status.reserved_bytes, status.in_flight), (0, 0));
    // Again, now that the quota has no room for a second one.
    let again = site.uploads.complete(&principal, &home, id).await;
    assert_eq!(again.unwrap(), row);
    let blobs = site.blobs.list().await.unwrap();
    let blobs: Vec<_> = blobs.try_collect().await.unwrap();
    assert_eq!(blobs.len(), 1, "the parts are gone");
}

#[tokio::test]
async fn an_upload_that_can_never_fit_is_refused_at_once() {
    let site = Site::new().await;
    let (principal, home) = (worker(), experiment());
    site.deposit(&principal, 3).await.unwrap();
    let detail = format!(
        "the quota of {} is 10 bytes; 7 bytes are left, and this deposit needs at least 11",
        principal.id()
    );
    let new = || NewUpload::new(experiment());
    let created = site.uploads.create(&principal, new().with_length(11)).await;
    let error = created.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert_eq!(error.detail(), detail);
    // One that declares its length later.
    let id = site.uploads.create(&principal, new()).await.unwrap().id;
    let declared = site.uploads.declare_length(&principal, &home, id, 11).await;
    assert_eq!(declared.unwrap_err().detail(), detail);
    let declared = site.uploads.declare_length(&principal, &home, id, 10).await;
    assert_eq!(declared.unwrap().length, Some(10));
    let admin = Principal::admin();
    let created = site.uploads.create(&admin, new().with_length(11)).await;
    created.unwrap();

    let none = Quota::default().with_max_artifacts(0);
    let whole = QuotaScope::Experiment(experiment());
    site.managed.set_quota(&admin, &whole, &none).await.unwrap();
    let created = site.uploads.create(&admin, new().with_length(1)).await;
    assert_eq!(
        created.unwrap_err().detail(),
        "the quota of the experiment is 0 artifacts; 0 are left"
    );
}
