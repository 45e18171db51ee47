//! Objects that other programs have put into the bucket.

use std::sync::Arc;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

#[tokio::test]
async fn foreign_objects_are_not_served_deleted_or_overwritten() {
    let store = Arc::new(InMemory::new());
    let backend =
        ObjectStoreBackend::from_store(Arc::clone(&store) as _, "p", S3Config::default()).unwrap();
    let id = ArtifactId::mint();
    let at = Path::from(format!("p/blobs/{id}"));
    store.put(&at, "foreign".into()).await.unwrap();

    let kinds = [
        backend.load(id).await.unwrap_err().kind(),
        backend
            .download(id, ByteRange::Full)
            .await
            .unwrap_err()
            .kind(),
        backend
            .load_range(id, ByteRange::Suffix(1))
            .await
            .unwrap_err()
            .kind(),
        backend.stat(id).await.unwrap_err().kind(),
        backend.delete(id).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Corrupt; 5]);
    let stored = backend.store(id, Bytes::from_static(b"ours")).await;
    assert_eq!(stored.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let found = store.get(&at).await.unwrap().bytes().await.unwrap();
    assert_eq!(found, "foreign");
}

#[tokio::test]
async fn objects_outside_the_prefix_or_without_a_blob_key_are_ignored() {
    let store = Arc::new(InMemory::new());
    let id = ArtifactId::mint();
    let foreign = [
        format!("p/blobs/{id}/more"),
        "p/blobs/README".to_owned(),
        format!("p/blobs/{}", id.to_string().to_uppercase()),
        format!("p/other/{id}"),
        format!("blobs/{id}"),
        format!("pp/blobs/{id}"),
    ]
    .map(Path::from);
    for at in &foreign {
        store.put(at, "foreign".into()).await.unwrap();
    }
    let backend =
        ObjectStoreBackend::from_store(Arc::clone(&store) as _, "p", S3Config::default()).unwrap();
    let ours = ArtifactId::mint();
    backend
        .store(ours, Bytes::from_static(b"ours"))
        .await
        .unwrap();

    let listed: Vec<_> = backend.list().await.unwrap().try_collect().await.unwrap();
    assert_eq!(
        listed.iter().map(|blob| blob.id).collect::<Vec<_>>(),
        [ours]
    );
    assert_eq!(
        backend.load(id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    backend.delete(id).await.unwrap();
    backend.sweep(std::time::Duration::ZERO).await.unwrap();
    let left: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(left.len(), foreign.len() + 1);
}

#[tokio::test]
async fn prefixes_that_could_escape_are_rejected() {
    for prefix in ["..", "a/../b", "a//b", "/a", "a/%2e", "a b", "a/."] {
        let store = Arc::new(InMemory::new());
        let opened = ObjectStoreBackend::from_store(store, prefix, S3Config::default());
        assert_eq!(
            opened.unwrap_err().kind(),
            ErrorKind::Misconfigured,
            "{prefix}"
        );
    }
}
