//! Whole artifacts are verified while they are read, and cached in memory until the blob changes.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactInventory as _, ErrorKind as BackendErrorKind};
use artifact_store::{
    ArtifactId, ArtifactStore, Backend, ByteRange, Catalog as _, Download, ErrorKind, Experiment,
    MemoryDatabase, NewArtifact, Principal, Row, StoreConfig, authorize,
};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{bytes, digest, experiment, time};

/// A store on a folder whose files can be changed.
struct Site {
    folder: TempDir,
    backend: Backend,
    rows: Arc<MemoryDatabase>,
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
        let store = ArtifactStore::new(backend.backend(), rows.clone(), config);
        Self {
            folder,
            backend,
            rows,
            store,
        }
    }

    async fn deposit(&self, bytes: &[u8]) -> ArtifactId {
        let new = NewArtifact::new(experiment(), &Principal::admin());
        let mut deposit = self.store.deposit(new);
        deposit.write(Bytes::copy_from_slice(bytes)).await.unwrap();
        deposit.finish().await.unwrap().id
    }

    /// Stores an artifact whose ranges are not verified, as older versions do.
    async fn store_without_chunk_digests(&self, bytes: &[u8]) -> ArtifactId {
        let id = ArtifactId::mint();
        let backend = self.backend.backend();
        backend.store(id, bytes.to_vec().into()).await.unwrap();
        let (size, by) = (bytes.len() as u64, Principal::admin().id());
        let row = Row::new(id, experiment(), by, size, digest(bytes), time(1));
        self.rows.insert(&row).await.unwrap();
        id
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

    async fn range(&self, id: ArtifactId, range: ByteRange) -> artifact_store::Result<Download> {
        let row = self.store.row(&experiment(), id).await?;
        let grant = authorize(&Principal::admin(), row)?;
        self.store.read(&grant, range).await
    }

    /// Reads until two successive reads return the same memory: a blob that was just written is not
    /// cached.
    async fn read_until_cached(&self, id: ArtifactId) -> Vec<Bytes> {
        let began = Instant::now();
        loop {
            let read = self.read(id).await.unwrap();
            if addresses(&self.read(id).await.unwrap()) == addresses(&read) {
                return read;
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the artifact is never cached"
            );
        }
    }

    /// Returns the number of files in the folder of the blobs.
    fn blobs(&self) -> usize {
        let names = |folder| std::fs::read_dir(folder).unwrap();
        names(self.folder.path().join("blobs/blobs"))
            .map(|folder| names(folder.unwrap().path()).count())
            .sum()
    }

    fn file(&self, id: ArtifactId) -> PathBuf {
        let name = id.to_string();
        let folder = self.folder.path().join("blobs/blobs").join(&name[..1]);
        folder.join(name)
    }

    /// Overwrites a byte of the blob.
    fn corrupt(&self, id: ArtifactId, at: u64) {
        self.overwrite(id, at, b"?");
    }

    fn overwrite(&self, id: ArtifactId, at: u64, bytes: &[u8]) {
        let path = self.file(id);
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o600);
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(bytes, at).unwrap();
        mode(0o400);
    }
}

/// The addresses of the chunks.
fn addresses(pieces: &[Bytes]) -> Vec<*const u8> {
    pieces.iter().map(|piece| piece.as_ptr()).collect()
}

#[tokio::test]
async fn downloads_of_damaged_blobs_never_yield_the_last_chunk() {
    for config in [0, 64 << 20].map(|most| StoreConfig::default().with_verified_cache_bytes(most)) {
        for size in [1, 5000, 1_500_000] {
            let site = Site::new(config.clone()).await;
            let content = bytes(size);
            let id = site.deposit(&content).await;
            assert_eq!(site.read(id).await.unwrap().concat(), content);

            // The bytes were read correctly before.
            site.corrupt(id, size as u64 - 1);
            let mut pieces = site.pieces(id).await.unwrap();
            let error = pieces.pop().unwrap().unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::Corrupt);
            assert!(
                error.to_string().contains("not those that were deposited"),
                "{error}"
            );
            let came = pieces.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
            assert!(came.concat().len() < size);
            let error = site.pieces(id).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
    }
}

#[tokio::test]
async fn verified_blobs_are_read_once_until_they_change() {
    let site = Site::new(StoreConfig::default()).await;
    let content = bytes(1_500_000);
    let id = site.deposit(&content).await;
    let cached = site.read_until_cached(id).await;
    assert_eq!(cached.concat(), content);
    assert_eq!(addresses(&site.read(id).await.unwrap()), addresses(&cached));

    // This changes only the change time of the file.
    let path = site.file(id);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    let second = site.read(id).await.unwrap();
    assert_eq!(second.concat(), content);
    assert_ne!(addresses(&second), addresses(&cached));

    site.read_until_cached(id).await;
    site.corrupt(id, 7);
    let pieces = site.pieces(id).await.unwrap();
    assert!(pieces.last().unwrap().is_err());
}

#[tokio::test]
async fn without_cache_memory_every_read_reads_the_blob() {
    let site = Site::new(StoreConfig::default().with_verified_cache_bytes(0)).await;
    let id = site.deposit(&bytes(1_500_000)).await;
    for _ in 0..5 {
        let first = site.read(id).await.unwrap();
        assert_ne!(addresses(&site.read(id).await.unwrap()), addresses(&first));
    }
}

#[tokio::test]
async fn deleted_blobs_are_not_served_from_memory() {
    let site = Site::new(StoreConfig::default()).await;
    let id = site.deposit(&bytes(5000)).await;
    site.read_until_cached(id).await;
    site.backend.inventory().delete(id).await.unwrap();
    let error = site.pieces(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn ranges_of_a_damaged_artifact_fail_until_it_is_restored() {
    let site = Site::new(StoreConfig::default()).await;
    let content = bytes(1_500_000);
    let id = site.store_without_chunk_digests(&content).await;
    let range = ByteRange::From(1_400_000);
    site.corrupt(id, 7);
    // Not verified yet: no whole read has found the damage.
    assert!(site.range(id, range).await.is_ok());
    let mut before = site.range(id, ByteRange::From(1)).await.unwrap();
    before.next().await.unwrap().unwrap();
    assert!(site.read(id).await.is_err());

    let error = before.next().await.unwrap().unwrap_err();
    assert_eq!(
        error.kind(),
        BackendErrorKind::Corrupt,
        "a reader that began before"
    );
    for range in [
        range,
        ByteRange::Full,
        ByteRange::Suffix(1),
        ByteRange::From(9_999_999),
    ] {
        let error = site.range(id, range).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{range:?}");
    }
    // A change that leaves the damage.
    site.corrupt(id, 8);
    let error = site.range(id, range).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);

    site.overwrite(id, 7, &content[7..9]);
    let rest = site.range(id, range).await.unwrap();
    assert_eq!(rest.into_bytes().await.unwrap(), content[1_400_000..]);
    assert_eq!(site.read(id).await.unwrap().concat(), content);
}

#[tokio::test]
async fn a_known_damaged_artifact_with_the_same_stamp_is_not_read_again() {
    let site = Site::new(StoreConfig::default().with_verified_cache_bytes(0)).await;
    let id = site.deposit(&bytes(5000)).await;
    site.corrupt(id, 7);
    assert!(site.read(id).await.is_err());
    let began = Instant::now();
    // The stamp of a blob that was just written is not known; until then each call reads the blob.
    loop {
        let error = site.range(id, ByteRange::Full).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        if error.detail().contains("an earlier read") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{error}");
    }
}

#[tokio::test]
async fn deposits_of_other_bytes_than_expected_leave_nothing() {
    use sha2::{Digest as _, Sha256};

    let site = Site::new(StoreConfig::default().with_small_deposit_bytes(10_000)).await;
    let empty = site.blobs();
    for size in [0, 5000, 1_500_000] {
        let content = bytes(size);
        let sha256 = |content: &[u8]| {
            artifact_store::Sha256Digest::from_bytes(Sha256::digest(content).into())
        };
        for (expected, right) in [(sha256(&content), true), (sha256(b"other"), false)] {
            let before = site.blobs();
            let new = NewArtifact::new(experiment(), &Principal::admin()).with_sha256(expected);
            let mut deposit = site.store.deposit(new);
            deposit.write(content.clone().into()).await.unwrap();
            match deposit.finish().await {
                Ok(row) => assert!(right && row.sha256 == expected, "{size}"),
                Err(error) => {
                    assert_eq!((error.kind(), right), (ErrorKind::DigestMismatch, false));
                    assert_eq!(site.blobs(), before, "{size}");
                }
            }
        }
    }
    assert_eq!(site.blobs(), empty + 3);
}
