//! Whole artifacts are verified as they are read, and what was verified is kept in memory until somebody
//! touches the blob.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactInventory as _, ErrorKind as BackendErrorKind};
use artifact_store::{
    ArtifactId, ArtifactStore, Backend, ByteRange, Catalog as _, ErrorKind, Experiment,
    MemoryDatabase, NewArtifact, Principal, StoreConfig, authorize,
};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{bytes, experiment, time};

/// A store on a folder whose files can be touched.
struct Site {
    folder: TempDir,
    backend: Backend,
    store: ArtifactStore,
}

impl Site {
    async fn new(config: StoreConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = folder.path().join("blobs");
        let backend = Backend::from_url(blobs.to_str().unwrap()).await.unwrap();
        let rows = Arc::new(MemoryDatabase::new());
        let home = Experiment::new(experiment(), time(0));
        rows.create_experiment(&home).await.unwrap();
        let store = ArtifactStore::new(backend.backend(), rows, config);
        Self {
            folder,
            backend,
            store,
        }
    }

    async fn deposit(&self, bytes: &[u8]) -> ArtifactId {
        let new = NewArtifact::new(experiment(), &Principal::admin());
        let mut deposit = self.store.deposit(new);
        deposit.write(Bytes::copy_from_slice(bytes)).await.unwrap();
        deposit.finish().await.unwrap().id
    }

    async fn pieces(
        &self,
        id: ArtifactId,
    ) -> artifact_store::Result<Vec<artifact_backend::Result<Bytes>>> {
        let row = self.store.row(&experiment(), id).await?;
        let grant = authorize(&Principal::admin(), row)?;
        let mut download = self.store.read(&grant, ByteRange::Full).await?;
        let mut pieces = Vec::new();
        while let Some(piece) = download.next().await {
            pieces.push(piece);
        }
        Ok(pieces)
    }

    async fn read(&self, id: ArtifactId) -> artifact_backend::Result<Vec<Bytes>> {
        self.pieces(id).await.unwrap().into_iter().collect()
    }

    /// Reads until two reads in turn give the same memory: a blob that was just written is not kept.
    async fn read_until_kept(&self, id: ArtifactId) -> Vec<Bytes> {
        let began = Instant::now();
        loop {
            let read = self.read(id).await.unwrap();
            if places(&self.read(id).await.unwrap()) == places(&read) {
                return read;
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "it is never kept"
            );
        }
    }

    fn file(&self, id: ArtifactId) -> PathBuf {
        self.folder.path().join("blobs/blobs").join(id.to_string())
    }

    /// Writes another byte into the blob, as somebody with rights on the disk can.
    fn corrupt(&self, id: ArtifactId, at: u64) {
        let path = self.file(id);
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o600);
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"?", at).unwrap();
        mode(0o400);
    }
}

/// Where the pieces lie in memory.
fn places(pieces: &[Bytes]) -> Vec<*const u8> {
    pieces.iter().map(|piece| piece.as_ptr()).collect()
}

#[tokio::test]
async fn the_last_piece_of_what_was_not_deposited_never_comes() {
    for config in [0, 64 << 20].map(|most| StoreConfig::default().with_verified_cache_bytes(most)) {
        for size in [1, 5000, 1_500_000] {
            let site = Site::new(config.clone()).await;
            let content = bytes(size);
            let id = site.deposit(&content).await;
            assert_eq!(site.read(id).await.unwrap().concat(), content);

            // Also where the right bytes were read before.
            site.corrupt(id, size as u64 - 1);
            for _ in 0..2 {
                let mut pieces = site.pieces(id).await.unwrap();
                let error = pieces.pop().unwrap().unwrap_err();
                assert_eq!(error.kind(), BackendErrorKind::Corrupt);
                assert!(
                    error.to_string().contains("not those that were deposited"),
                    "{error}"
                );
                let came = pieces.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
                assert!(came.concat().len() < size);
            }
        }
    }
}

#[tokio::test]
async fn what_was_verified_is_read_once_until_it_is_touched() {
    let site = Site::new(StoreConfig::default()).await;
    let content = bytes(1_500_000);
    let id = site.deposit(&content).await;
    let kept = site.read_until_kept(id).await;
    assert_eq!(kept.concat(), content);
    assert_eq!(places(&site.read(id).await.unwrap()), places(&kept));

    // Nothing but the time of its last change is another.
    let path = site.file(id);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    let anew = site.read(id).await.unwrap();
    assert_eq!(anew.concat(), content);
    assert_ne!(places(&anew), places(&kept));

    site.read_until_kept(id).await;
    site.corrupt(id, 7);
    let pieces = site.pieces(id).await.unwrap();
    assert!(pieces.last().unwrap().is_err());
}

#[tokio::test]
async fn without_memory_for_it_everything_is_read_anew() {
    let site = Site::new(StoreConfig::default().with_verified_cache_bytes(0)).await;
    let id = site.deposit(&bytes(1_500_000)).await;
    for _ in 0..5 {
        let first = site.read(id).await.unwrap();
        assert_ne!(places(&site.read(id).await.unwrap()), places(&first));
    }
}

#[tokio::test]
async fn what_was_deleted_is_not_read_from_memory() {
    let site = Site::new(StoreConfig::default()).await;
    let id = site.deposit(&bytes(5000)).await;
    site.read_until_kept(id).await;
    site.backend.inventory().delete(id).await.unwrap();
    let error = site.pieces(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}
