//! The operations in the plain case.

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory};
use artifact_backend_mem::MemBackend;
use bytes::Bytes;
use futures_util::TryStreamExt;

#[tokio::test]
async fn list_goes_in_order_and_sees_what_comes_behind_it() {
    let backend = MemBackend::default();
    let id = |byte| ArtifactId::from_bytes([byte; 16]);
    backend.store(id(1), Bytes::new()).await.unwrap();
    backend.store(id(3), Bytes::new()).await.unwrap();
    let mut list = backend.list().await.unwrap();
    assert_eq!(list.try_next().await.unwrap().unwrap().id, id(1));
    backend.store(id(2), Bytes::new()).await.unwrap();
    backend.delete(id(3)).await.unwrap();
    assert_eq!(list.try_next().await.unwrap().unwrap().id, id(2));
    assert_eq!(list.try_next().await.unwrap(), None);
}
