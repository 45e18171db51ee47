//! An encrypted backend over a map, whose stored bytes a test can see and replace.

use artifact_backend::{ArtifactBackend, ArtifactId, ByteRange, ErrorKind, Result};
use artifact_backend_mem::MemBackend;
use artifact_encryption::{EncryptedBackend, EncryptionKey};
use bytes::{Bytes, BytesMut};

pub(crate) const ID: ArtifactId = ArtifactId::from_bytes([0x5a; 16]);
pub(crate) const CHUNK: usize = 16 * 1024;
pub(crate) const SEALED_CHUNK: usize = CHUNK + 16;
pub(crate) const HEADER: usize = 56;

pub(crate) type World = EncryptedBackend<MemBackend>;

pub(crate) fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes(&[byte; 16]).unwrap()
}

/// Returns an empty encrypted backend. All of them have the same key.
pub(crate) fn empty() -> World {
    EncryptedBackend::new(MemBackend::default(), key(1))
}

/// Returns bytes that differ from position to position.
pub(crate) fn plain(size: usize) -> Bytes {
    (0..size)
        .map(|position| (position % 251 + position / CHUNK) as u8)
        .collect()
}

/// Returns what is stored for a blob.
pub(crate) async fn sealed(id: ArtifactId, bytes: &Bytes) -> Vec<u8> {
    let world = empty();
    world.store(id, bytes.clone()).await.unwrap();
    world.inner().load(id).await.unwrap().to_vec()
}

/// Returns a backend in which these bytes are stored under an id.
pub(crate) async fn planted(id: ArtifactId, sealed: &[u8]) -> World {
    let world = empty();
    let bytes = Bytes::copy_from_slice(sealed);
    world.inner().store(id, bytes).await.unwrap();
    world
}

/// Reads a range and returns the bytes that were delivered before the error, if there was one.
pub(crate) async fn read(
    backend: &impl ArtifactBackend,
    id: ArtifactId,
    range: ByteRange,
) -> (Bytes, Result<()>) {
    let mut delivered = BytesMut::new();
    let mut download = match backend.download(id, range).await {
        Ok(download) => download,
        Err(error) => return (Bytes::new(), Err(error)),
    };
    while let Some(chunk) = download.next().await {
        match chunk {
            Ok(chunk) => delivered.extend_from_slice(&chunk),
            Err(error) => return (delivered.freeze(), Err(error)),
        }
    }
    (delivered.freeze(), Ok(()))
}

/// Checks that a blob is found corrupt by `load` and by a whole download, which delivers no wrong byte before.
pub(crate) async fn check_corrupt(world: &World, id: ArtifactId, right: &[u8], label: &str) {
    let error = world.load(id).await.expect_err(label);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "load of {label}");
    assert_eq!(error.id(), Some(id), "load of {label}");
    let (delivered, result) = read(world, id, ByteRange::Full).await;
    let error = result.expect_err(label);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "download of {label}");
    assert_eq!(error.id(), Some(id), "download of {label}");
    assert!(right.starts_with(&delivered), "wrong bytes of {label}");
}
