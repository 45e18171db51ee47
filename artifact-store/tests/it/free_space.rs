//! The minimum of free space: below it nothing is deposited, and everything else goes on.

use std::sync::Arc;

use artifact_backend::ByteRange;
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactStore, Database, ErrorKind, Experiment, ManagedStore, MemoryDatabase, NewArtifact,
    NewUpload, Principal, ReadinessPart, ReadinessProbe, StoreConfig, UnreadyReason, UploadOptions,
    Uploads, authorize,
};
use bytes::Bytes;

use crate::support::{experiment, time, worker};

/// Makes a store with a minimum of free space over these halves.
fn store(database: &Database, backend: &MemBackend, min_bytes: u64) -> ArtifactStore {
    let folder = std::env::temp_dir();
    let config = StoreConfig::default().with_min_free_space(min_bytes, vec![folder]);
    let catalog = Arc::clone(&database.catalog);
    ArtifactStore::new(Arc::new(backend.clone()), catalog, config)
}

fn new_artifact(principal: &Principal) -> NewArtifact {
    NewArtifact::new(experiment(), principal)
}

#[tokio::test]
async fn below_the_minimum_nothing_is_deposited_and_reads_go_on() {
    let database = Database::new(MemoryDatabase::new());
    let home = Experiment::new(experiment(), time(1));
    database.catalog.create_experiment(&home).await.unwrap();
    let backend = MemBackend::default();
    let principal = worker();
    let enough = store(&database, &backend, 1);
    let mut deposit = enough.deposit(new_artifact(&principal));
    deposit.write(Bytes::from_static(b"bytes")).await.unwrap();
    let row = deposit.finish().await.unwrap();

    let low = store(&database, &backend, u64::MAX);
    let refused = low.reserve(&new_artifact(&principal)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OutOfSpace);
    let mut deposit = low.deposit(new_artifact(&principal));
    let refused = deposit
        .write(Bytes::from_static(b"more"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OutOfSpace);
    assert!(refused.detail().contains("minimum of"), "{refused:?}");
    let empty = low.deposit(new_artifact(&principal)).finish().await;
    assert_eq!(empty.unwrap_err().kind(), ErrorKind::OutOfSpace);

    let found = low.row(&experiment(), row.id).await.unwrap();
    let grant = authorize(&principal, found).unwrap();
    let mut download = low.read(&grant, ByteRange::Full).await.unwrap();
    assert_eq!(download.next().await.unwrap().unwrap(), "bytes");
}

#[tokio::test]
async fn below_the_minimum_nothing_is_appended_to_an_upload_and_the_store_is_not_ready() {
    let database = Database::new(MemoryDatabase::new());
    let home = Experiment::new(experiment(), time(1));
    database.catalog.create_experiment(&home).await.unwrap();
    let backend = MemBackend::default();
    let principal = worker();
    for (min_bytes, is_low) in [(0, false), (1, false), (u64::MAX, true)] {
        let store = store(&database, &backend, min_bytes);
        let inventory = Arc::new(backend.clone());
        let managed = ManagedStore::new(
            store.clone(),
            Arc::clone(&database.inventory),
            inventory.clone(),
        );
        let uploads = Uploads::new(managed, UploadOptions::default());
        let begun = uploads
            .create(&principal, NewUpload::new(experiment()))
            .await;
        let session = begun.unwrap();
        let append = uploads.append(&principal, &experiment(), session.id, 0);
        let mut append = append.await.unwrap();
        let written = append.write(Bytes::from_static(b"bytes")).await;
        let kind = written.err().map(|error| error.kind());
        assert_eq!(kind, is_low.then_some(ErrorKind::OutOfSpace), "{min_bytes}");

        let probe = ReadinessProbe::new(&store, Arc::clone(&database.store_id), inventory);
        let low = (ReadinessPart::FreeSpace, UnreadyReason::OutOfSpace);
        let expected = if is_low { vec![low] } else { vec![] };
        assert_eq!(probe.check().await.unready(), expected, "{min_bytes}");
    }
}
