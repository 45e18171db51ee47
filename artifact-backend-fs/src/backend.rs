//! The backend: passes each operation to the profile that was chosen when it was opened.

use std::path::PathBuf;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    Result, Shard, StoreId, SweepReport, Upload,
};
use artifact_backend_config::{FsConfig, FsProfile};
use async_trait::async_trait;
use bytes::Bytes;

#[cfg(not(any(feature = "portable", not(target_os = "linux"), artifact_not_linux)))]
use crate::error::misconfigured;
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
use crate::linux::LinuxProfile;
#[cfg(any(feature = "portable", not(target_os = "linux"), artifact_not_linux))]
use crate::portable::PortableProfile;

/// A backend on a local folder. Clones share its state.
///
/// Several processes can open the same folder; the file system keeps them apart. All methods need a
/// tokio runtime.
#[derive(Debug, Clone)]
pub struct FsBackend {
    profile: Profile,
}

/// How the backend uses the operating system.
#[derive(Debug, Clone)]
enum Profile {
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    Linux(LinuxProfile),
    #[cfg(any(feature = "portable", not(target_os = "linux"), artifact_not_linux))]
    Portable(PortableProfile),
}

/// Evaluates an expression with the profile of a backend.
macro_rules! with {
    ($backend:expr, $profile:ident => $call:expr) => {
        match &$backend.profile {
            #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
            Profile::Linux($profile) => $call,
            #[cfg(any(feature = "portable", not(target_os = "linux"), artifact_not_linux))]
            Profile::Portable($profile) => $call,
        }
    };
}

impl FsBackend {
    /// Opens the folder `root`. Creates it with mode 0700 if only its last component is missing.
    /// `Ok` means that the folder, its subfolders and its format marker are durable.
    ///
    /// A new root gets 16 fan-out folders, each of which is synced. A root of
    /// layout version 1 gets them too, and older releases reject it from then on. Its blobs are moved to
    /// these folders in the background. Stop every process of an older release first.
    ///
    /// The path is resolved once and the folder is held by a descriptor. Later changes of the path or
    /// of the working directory have no effect.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the parent is missing, the folder belongs to another user than this process and
    /// root, every user can write to it, it contains foreign files, it has another layout version, it
    /// contains the file `failed-sync`, which records a failed sync, or its file system cannot do what a
    /// store needs: a trial blob is stored and removed. Otherwise the error of the operating system. Every
    /// detail names the folder. A later call can open what was created before an error.
    pub async fn open(root: impl Into<PathBuf>, config: FsConfig) -> Result<Self> {
        let root = root.into();
        let opened = match config.profile {
            FsProfile::Portable => Self::open_portable(root.clone(), config).await,
            _ => Self::open_native(root.clone(), config).await,
        };
        opened.map_err(|error| {
            let detail = format!("the folder {}: {}", root.display(), error.detail());
            error.with_detail(detail)
        })
    }

    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    async fn open_native(root: PathBuf, config: FsConfig) -> Result<Self> {
        let profile = Profile::Linux(LinuxProfile::open(root, config).await?);
        Ok(Self { profile })
    }

    #[cfg(any(not(target_os = "linux"), artifact_not_linux))]
    async fn open_native(root: PathBuf, config: FsConfig) -> Result<Self> {
        Self::open_portable(root, config).await
    }

    #[cfg(any(feature = "portable", not(target_os = "linux"), artifact_not_linux))]
    async fn open_portable(root: PathBuf, config: FsConfig) -> Result<Self> {
        let profile = Profile::Portable(PortableProfile::open(root, config).await?);
        Ok(Self { profile })
    }

    #[cfg(not(any(feature = "portable", not(target_os = "linux"), artifact_not_linux)))]
    #[expect(clippy::unused_async, reason = "this build has no portable profile")]
    async fn open_portable(_root: PathBuf, _config: FsConfig) -> Result<Self> {
        Err(misconfigured(
            "the portable profile needs the feature `portable` of artifact-backend-fs, which this build does not have",
        ))
    }

    /// Moves the blobs of a root of layout version 1 to their fan-out folders. Returns at once if no
    /// blob is left to move. `Ok` means that all blobs have moved and that this is durable.
    ///
    /// Blobs can be stored, read, listed and deleted meanwhile. [`open`](Self::open) does the same in the
    /// background; a call beside it is allowed, and shows its errors. A dropped future leaves blobs in both
    /// places, which the next call or the next `open` goes on with.
    ///
    /// # Errors
    ///
    /// `Unexpected` after a failed sync: no blob is lost, but the backend acknowledges nothing more.
    /// `OutOfSpace` if the file system has no room for the new names. Otherwise the error of the operating
    /// system.
    pub async fn migrate(&self) -> Result<()> {
        with!(self, profile => profile.migrate().await)
    }
}

#[async_trait]
impl ArtifactBackend for FsBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        with!(self, profile => profile.store(id, bytes).await)
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        with!(self, profile => profile.upload(id).await)
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        with!(self, profile => profile.load(id).await)
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        with!(self, profile => profile.download(id, range).await)
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        with!(self, profile => profile.stat(id).await)
    }
}

#[async_trait]
impl ArtifactInventory for FsBackend {
    async fn list(&self) -> Result<BlobList> {
        with!(self, profile => profile.list().await)
    }

    /// As in the trait. A folder has no order, so the fan-out folder of the shard is read once for each 65,536 blobs in it, and
    /// up to 65,536 ids are held in memory.
    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        with!(self, profile => profile.list_shard(shard, after).await)
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        with!(self, profile => profile.delete(id).await)
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        with!(self, profile => profile.sweep(older_than).await)
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        with!(self, profile => profile.store_id().await)
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        with!(self, profile => profile.create_store_id(new).await)
    }

    /// Checks whether the backend still acknowledges stores and deletes. Loads work in any case.
    ///
    /// # Errors
    ///
    /// `Unexpected` if a sync of this root has failed, in this process or another. `open` then refuses the
    /// root too, until an operator has repaired the file system and removed the file `failed-sync`.
    async fn probe(&self) -> Result<()> {
        with!(self, profile => profile.probe().await)
    }

    async fn close(&self) {}
}
