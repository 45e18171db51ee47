//! Damaged bytes and files: they are reported, and nothing else is returned.

use std::fs;
use std::os::unix::fs::symlink;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, ErrorKind};
use futures_util::TryStreamExt;

use crate::world::World;

#[tokio::test]
async fn changed_bytes_of_a_packed_blob_are_corrupt_and_stay_in_place() {
    let world = World::new();
    let backend = world.open().await;
    let bytes = b"the bytes of a packed blob that a bad disk changes";
    let (id, other) = (ArtifactId::mint(), ArtifactId::mint());
    backend.store(id, bytes.as_slice().into()).await.unwrap();
    backend.store(other, "other".into()).await.unwrap();
    assert_eq!(world.damage(bytes), 1);
    let error = backend.load(id).await.unwrap_err();
    assert_eq!(error.damaged_blob(), Some(id), "{error}");
    assert!(error.to_string().contains("from a backup"), "{error}");
    for range in [ByteRange::Full, ByteRange::Suffix(3)] {
        let error = backend.download(id, range).await.err().unwrap();
        assert_eq!(error.damaged_blob(), Some(id), "{error}");
    }
    let taken = backend.store(id, "again".into()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    assert_eq!(backend.load(other).await.unwrap(), "other");
    backend.delete(id).await.unwrap();
    let error = backend.load(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_lost_or_replaced_file_of_a_larger_blob_is_corrupt() {
    let world = World::new();
    let backend = world.open().await;
    let (lost, replaced, changed) = (ArtifactId::mint(), ArtifactId::mint(), ArtifactId::mint());
    for id in [lost, replaced, changed] {
        backend.store(id, vec![7; 200_000].into()).await.unwrap();
    }
    fs::remove_file(world.large(lost)).unwrap();
    fs::remove_file(world.large(replaced)).unwrap();
    symlink(world.secret(), world.large(replaced)).unwrap();
    fs::remove_file(world.large(changed)).unwrap();
    fs::write(world.large(changed), vec![8; 200_000]).unwrap();
    for id in [lost, replaced, changed] {
        let error = backend.load(id).await.unwrap_err();
        assert_eq!(error.damaged_blob(), Some(id), "{error}");
    }
    for id in [lost, replaced] {
        let error = backend.download(id, ByteRange::Full).await.err().unwrap();
        assert_eq!(error.damaged_blob(), Some(id), "{error}");
        let taken = backend.store(id, "again".into()).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!(world.outside_damage(), None);
}

#[tokio::test]
async fn a_damaged_index_is_corrupt_and_never_not_found() {
    let world = World::new();
    let backend = world.open().await;
    let mut ids = Vec::new();
    for number in 0..100_u8 {
        let id = ArtifactId::mint();
        backend
            .store(id, vec![number; 60_000].into())
            .await
            .unwrap();
        ids.push(id);
    }
    // The id of a blob of the first segment is in its frame and in its index.
    assert_eq!(world.damage(ids[0].as_bytes()), 2);
    let first = backend.load(ids[0]).await.unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Corrupt, "{first}");
    assert!(first.to_string().contains("00000001"), "{first}");
    let listed = match backend.list().await {
        Ok(list) => list.try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Corrupt);
    let refused = backend.store(ids[0], "new".into()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert_eq!(backend.load(ids[99]).await.unwrap(), vec![99; 60_000]);
}
