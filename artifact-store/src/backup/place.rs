//! The backend that holds backups: the blobs of a store under their ids, and snapshots under ids of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_backend::{
    ArtifactBackendExt as _, ArtifactId, ArtifactInventory, ErrorKind as BackendErrorKind, Shard,
    StoreId,
};
use artifact_open::Backend;
use bytes::Bytes;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::manifest::{BackupManifest, MAX_BYTES};
use crate::error::{Error, ErrorKind, Operation, Result};

/// A backend with the backups of one store: in a folder, a bucket, or any other.
///
/// It holds each blob once, under the id of the artifact. So it is no backend for a server: its store id is another one, which is
/// made from that of the store. Snapshots are blobs too. Their ids begin with the first eight bytes of the store id of
/// the place, so that a list finds them without an index.
#[derive(Debug, Clone)]
pub struct BackupPlace {
    pub(super) inventory: Arc<dyn ArtifactInventory>,
    id: StoreId,
}

/// What a blob that is no artifact's is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Manifest = 1,
    Dump = 2,
    /// In the backend of a restore that is not finished.
    Restoring = 3,
}

/// The blobs of one snapshot that are there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) has_manifest: bool,
    pub(super) has_dump: bool,
}

pub(super) fn failed(error: artifact_backend::Error) -> Error {
    Error::backend(Operation::Backup, error)
}

impl BackupPlace {
    /// Opens a place that has backups. Writes nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if nothing was backed up there; the errors of the backend.
    pub async fn open(place: &Backend) -> Result<Self> {
        let inventory = place.inventory();
        match inventory.store_id().await.map_err(failed)? {
            Some(id) => Ok(Self { inventory, id }),
            None => Err(Error::new(ErrorKind::NotFound, Operation::Backup)
                .with_detail("there is no backup in this place")),
        }
    }

    /// Opens the place for backups of a store. Makes it one if it is empty, unless `dry_run`.
    pub(super) async fn of_store(place: &Backend, store: StoreId, dry_run: bool) -> Result<Self> {
        let inventory = place.inventory();
        let id = place_id(store);
        let found = match inventory.store_id().await.map_err(failed)? {
            None if has_blobs(&*inventory).await? => {
                return Err(misused(
                    "the place has blobs, and none of them is from a backup; use an empty place",
                ));
            }
            None if dry_run => id,
            None => inventory.create_store_id(id).await.map_err(failed)?,
            Some(found) => found,
        };
        if found == store {
            return Err(misused(
                "the place is the backend of this store itself; use another place",
            ));
        }
        if found != id {
            return Err(misused(
                "the place belongs to another store, or has its backups; use another place",
            ));
        }
        Ok(Self { inventory, id })
    }

    /// Returns the manifests of the complete snapshots, oldest first.
    ///
    /// # Errors
    ///
    /// `Corrupt` if a manifest is damaged, `Unsupported` if a newer version wrote it; the errors of the backend.
    pub async fn snapshots(&self) -> Result<Vec<BackupManifest>> {
        let mut manifests = Vec::new();
        for (number, entry) in self.entries().await? {
            if entry.has_manifest {
                manifests.push(self.manifest(number).await?);
            }
        }
        Ok(manifests)
    }

    /// Returns the manifest of a complete snapshot; `None` stands for the newest one.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such snapshot; else as [`snapshots`](Self::snapshots).
    pub async fn snapshot(&self, number: Option<u64>) -> Result<BackupManifest> {
        let entries = self.entries().await?;
        let mut complete = entries.iter().filter(|(_, entry)| entry.has_manifest);
        let newest = complete.next_back().map(|(number, _)| *number);
        let none =
            |detail: String| Error::new(ErrorKind::NotFound, Operation::Backup).with_detail(detail);
        let Some(newest) = newest else {
            return Err(none("there is no complete backup in this place".into()));
        };
        let number = number.unwrap_or(newest);
        if !entries.get(&number).is_some_and(|entry| entry.has_manifest) {
            return Err(none(format!(
                "there is no complete snapshot {number} in this place"
            )));
        }
        self.manifest(number).await
    }

    async fn manifest(&self, number: u64) -> Result<BackupManifest> {
        let id = self.control_id(Control::Manifest, number);
        let bytes = self.inventory.load_within(id, MAX_BYTES).await;
        let manifest = BackupManifest::decode(&bytes.map_err(failed)?)?;
        let belongs = place_id(manifest.store_id()?) == self.id && manifest.number == number;
        if !belongs {
            return Err(
                Error::new(ErrorKind::Corrupt, Operation::Backup).with_detail(format!(
                    "the manifest of snapshot {number} is that of another one"
                )),
            );
        }
        Ok(manifest)
    }

    /// Returns the snapshots of which anything is there, by their numbers.
    pub(super) async fn entries(&self) -> Result<BTreeMap<u64, Entry>> {
        let mut entries = BTreeMap::<u64, Entry>::new();
        let first = self.control_id(Control::Manifest, 0);
        let list = self.inventory.list_shard(Shard::of(first), Some(first));
        let mut list = list.await.map_err(failed)?;
        while let Some(item) = list.next().await {
            let id = match item {
                Ok(blob) => blob.id,
                // A damaged blob is an entry too, whose use fails.
                Err(error) => error.damaged_blob().ok_or(error).map_err(failed)?,
            };
            let Some((kind, number)) = self.control(id) else {
                break;
            };
            let entry = entries.entry(number).or_default();
            entry.has_manifest |= kind == Control::Manifest as u8;
            entry.has_dump |= kind == Control::Dump as u8;
        }
        Ok(entries)
    }

    /// Stores a manifest, and makes the snapshot complete by that.
    pub(super) async fn store_manifest(&self, manifest: &BackupManifest) -> Result<()> {
        let id = self.control_id(Control::Manifest, manifest.number);
        store_once(&*self.inventory, id, manifest.encode()).await
    }

    /// Returns the id of a blob that is no artifact's.
    pub(super) fn control_id(&self, kind: Control, number: u64) -> ArtifactId {
        let mut bytes = [0; ArtifactId::BYTES];
        bytes[..8].copy_from_slice(&self.id.as_bytes()[..8]);
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        bytes[8] = kind as u8;
        ArtifactId::from_bytes(bytes)
    }

    /// Returns the kind and the number of a blob that is no artifact's.
    pub(super) fn control(&self, id: ArtifactId) -> Option<(u8, u64)> {
        let bytes = id.as_bytes();
        if bytes[..8] != self.id.as_bytes()[..8] {
            return None;
        }
        let mut number = [0; 8];
        number[1..].copy_from_slice(&bytes[9..]);
        Some((bytes[8], u64::from_be_bytes(number)))
    }
}

/// Stores a blob under an id that has no other content. Succeeds if it is there already.
pub(super) async fn store_once(
    backend: &dyn ArtifactInventory,
    id: ArtifactId,
    bytes: Bytes,
) -> Result<()> {
    let Err(error) = backend.store(id, bytes.clone()).await else {
        return Ok(());
    };
    let may_be_there = [BackendErrorKind::AlreadyExists, BackendErrorKind::Ambiguous];
    if may_be_there.contains(&error.kind())
        && let Ok(found) = backend.load_within(id, MAX_BYTES).await
        && found == bytes
    {
        return Ok(());
    }
    Err(failed(error))
}

/// Returns whether a backend has a blob. A damaged one counts.
pub(super) async fn has_blobs(backend: &dyn ArtifactInventory) -> Result<bool> {
    let mut list = backend.list().await.map_err(failed)?;
    match list.next().await {
        None => Ok(false),
        Some(Err(error)) if error.damaged_blob().is_none() => Err(failed(error)),
        Some(_) => Ok(true),
    }
}

/// Returns the store id of the places for the backups of a store.
fn place_id(store: StoreId) -> StoreId {
    let mut hasher = Sha256::new();
    hasher.update(b"artifact-backup 1\n");
    hasher.update(store.as_bytes());
    let digest = hasher.finalize();
    let mut id = [0; StoreId::BYTES];
    id.copy_from_slice(&digest[..StoreId::BYTES]);
    StoreId::from_bytes(id)
}

fn misused(detail: &'static str) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Backup).with_detail(detail)
}
