//! The backend: passes each operation to its module.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, NoteLog, NotePosition, NoteReplay, NotedBackend, NotedUpload, Operation, Result,
    Shard, StoreId, SweepReport, Upload, blocking,
};
use artifact_backend_config::{FsProfile, PackConfig};
use artifact_backend_fs::FsBackend;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::RwLock;

use crate::linux::claims::Claims;
use crate::linux::committer::Committer;
use crate::linux::pool::Pool;
use crate::linux::queue::Queue;
use crate::linux::request::GROUP_BYTES;
use crate::linux::root::{LARGE, LockedRoot};
use crate::linux::scrub::{self, PackScrubReport};
use crate::linux::shared::Shared;
use crate::linux::stats::{Counters, PackStats};
use crate::linux::upload::PackUpload;
use crate::linux::{delete, list, load, noted, opening, replay, store, sweep, sys};

/// A backend on a local folder that packs small blobs into segments. Clones share its state.
///
/// One process can have the root open, once. All methods need a tokio runtime.
///
/// When the last clone and the last upload are dropped, the thread of the committer ends and the root can be opened again. This
/// waits for the groups that wait for the disk.
#[derive(Debug, Clone)]
pub struct PackBackend {
    handle: Arc<Handle>,
}

/// Keeps the committer's thread and the lock of the root.
#[derive(Debug)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
        let mut committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = committer.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
        self.shared.root.unlock();
    }
}

/// Runs work on the blocking pool while the backend is opened.
async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    blocking::run(work).await.map_err(|closed| {
        Error::new(ErrorKind::Unavailable, Operation::Open)
            .with_detail("the blocking pool did not run the work")
            .with_source(closed)
    })?
}

impl PackBackend {
    /// Opens the folder `root`. Creates it with mode 0700 if only its last component is missing. `Ok` means that the folder, its
    /// subfolders and its format marker are durable, and that every blob that is found is durable too.
    ///
    /// Reads the end of each sealed segment, and the frames of the newest one. Two bytes of memory are needed for each blob in sealed
    /// segments, about 100 for each in the newest, and one open file for each segment.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the root is open already, in this process or another. `Corrupt` if a sealed segment has no footer, the last
    /// segment has no header, or it is missing. Damaged frames of the last segment are no error, but raise the alarm `corrupt-segment`;
    /// what is not found is `Corrupt` from then on, and [`sweep`](ArtifactInventory::sweep) fails. `Misconfigured` if the parent is missing, the folder belongs to another user or contains foreign files, it has
    /// another layout version, or it contains the file `large/failed-sync`, which records a failed sync. Otherwise the error
    /// of the operating system. Every detail names the folder. A later call can open what was created before an error.
    pub async fn open(root: impl Into<PathBuf>, config: PackConfig) -> Result<Self> {
        let root = root.into();
        let opened = Self::open_root(root.clone(), config).await;
        opened.map_err(|error| {
            let detail = format!("the folder {}: {}", root.display(), error.detail());
            error.with_detail(detail)
        })
    }

    async fn open_root(path: PathBuf, config: PackConfig) -> Result<Self> {
        let large = path.join(LARGE);
        let locked = run(move || LockedRoot::open(&path)).await?;
        let large = FsBackend::open(large, config.fs.clone()).await?;
        let segment_bytes = config.segment_bytes;
        let cached_entries = config.cached_entries as usize;
        let is_portable = !sys::IS_LINUX || config.fs.profile == FsProfile::Portable;
        let (root, opened) = run(move || {
            let root = locked.complete(is_portable)?;
            let opened = opening::open(&root, segment_bytes, cached_entries)?;
            Ok((root, opened))
        })
        .await?;
        let shared = Arc::new(Shared {
            root,
            uncounted: Mutex::new(opened.index.sealed()),
            index: opened.index,
            lost: opened.lost,
            queue: Queue::new(GROUP_BYTES),
            claims: Claims::default(),
            large,
            reads: Pool::new(config.fs.max_concurrent_reads),
            inline_bytes: if is_portable {
                0
            } else {
                config.fs.inline_read_bytes
            },
            max_packed_bytes: config.max_packed_bytes as usize,
            segment_bytes,
            clock: config.clock,
            counters: Counters::default(),
            end: Mutex::new(opened.end),
            tasks: Arc::new(RwLock::new(())),
        });
        let committer = Committer::new(Arc::clone(&shared), opened.open, opened.next);
        let thread = std::thread::Builder::new()
            .name("pack-committer".into())
            .spawn(move || committer.run())
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, Operation::Open)
                    .with_detail("no thread can be started for the committer")
                    .with_source(error)
            })?;
        Ok(Self {
            handle: Arc::new(Handle {
                shared,
                committer: Mutex::new(Some(thread)),
            }),
        })
    }

    /// Reads all segments from their beginning to their end, and compares every blob in them with its checksum. Larger blobs, which
    /// are files of their own, are not read; [`load`](ArtifactBackend::load) verifies them.
    ///
    /// One segment is read at a time, in parts of up to 16 MiB. Blobs that are stored meanwhile may not be read. If the future is
    /// dropped, the part that is being read is finished.
    ///
    /// # Errors
    ///
    /// If a segment cannot be read, or its index is damaged. Damaged blobs are no error: the report has their ids, and each raised
    /// the alarm `corrupt-blob`.
    pub async fn scrub(&self) -> Result<PackScrubReport> {
        scrub::scrub(self.shared()).await
    }

    /// Returns what was made durable since the backend was opened. The quotient of the two numbers says how many callers share a sync.
    pub fn stats(&self) -> PackStats {
        self.shared().counters.read()
    }

    fn shared(&self) -> &Arc<Shared> {
        self.handle.shared()
    }

    fn new_upload(&self, id: ArtifactId) -> Result<PackUpload> {
        let root = &self.shared().root;
        root.check_trusted(Operation::Upload, Some(id))?;
        root.check_alive(Operation::Upload)?;
        Ok(PackUpload::new(Arc::clone(&self.handle), id))
    }
}

#[async_trait]
impl ArtifactBackend for PackBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        store::store(self.shared(), Operation::Store, id, bytes, None).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        Ok(Box::new(self.new_upload(id)?))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        load::load(self.shared(), id).await
    }

    /// As in the trait. The bytes of a packed blob are read and verified before this returns; those of a larger one are not
    /// compared with a checksum.
    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        load::download(self.shared(), id, range).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        load::stat(self.shared(), id).await
    }

    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl NotedBackend for PackBackend {
    /// As in the trait. The note of a packed blob is in its record, so both take one sync. The note of a larger blob is in the
    /// record that makes its file visible.
    async fn store_noted(&self, id: ArtifactId, bytes: Bytes, note: Bytes) -> Result<()> {
        let note = noted::checked(Operation::Store, id, note)?;
        store::store(self.shared(), Operation::Store, id, bytes, note).await
    }

    async fn upload_noted(&self, id: ArtifactId) -> Result<Box<dyn NotedUpload>> {
        Ok(Box::new(self.new_upload(id)?))
    }
}

#[async_trait]
impl NoteLog for PackBackend {
    fn has_notes(&self) -> bool {
        self.shared().root.has_notes()
    }

    async fn position(&self) -> Result<NotePosition> {
        self.shared().root.check_alive(Operation::Replay)?;
        Ok(noted::position(self.shared().end()))
    }

    /// As in the trait. Reads the segments from their beginning to their end, one frame at a time. A position is known as long as its
    /// segment exists.
    async fn replay(&self, after: Option<NotePosition>) -> Result<NoteReplay> {
        self.shared().root.check_alive(Operation::Replay)?;
        Ok(replay::replay(self.shared(), after))
    }
}

#[async_trait]
impl ArtifactInventory for PackBackend {
    /// As in the trait. The list is in the order of the ids. A damaged block of an index ends it.
    async fn list(&self) -> Result<BlobList> {
        list::list(self.shared(), None, None).await
    }

    /// As in the trait. A list holds a block of 4 KiB of each segment, and the entries of the newest segment.
    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        list::list(self.shared(), Some(shard), after).await
    }

    /// As in the trait. A tombstone is durable when this returns. The whole blocks of the blob in a sealed segment are free then,
    /// the rest when the segment is compacted.
    async fn delete(&self, id: ArtifactId) -> Result<()> {
        delete::delete(self.shared(), id).await
    }

    /// As in the trait, and compacts each sealed segment of which at least 30 % of the bytes belong to deleted blobs: moves the
    /// other blobs to the newest segment and removes the file.
    ///
    /// # Errors
    ///
    /// `Corrupt`, and nothing is removed, if a segment has a damaged frame whose records are lost: a file without a record may be a
    /// blob of it.
    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        sweep::sweep(self.shared(), older_than).await
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        self.shared().large.store_id().await
    }

    /// As in the trait. It also fails if records of blobs could not be made durable now.
    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let root = &self.shared().root;
        root.check_trusted(Operation::CreateStoreId, None)?;
        let created = self.shared().large.create_store_id(new).await?;
        self.shared()
            .check_committer(Operation::CreateStoreId)
            .await?;
        Ok(created)
    }

    /// Checks whether the backend still acknowledges stores and deletes. Loads work in any case.
    ///
    /// # Errors
    ///
    /// `Unexpected` if a sync of this root has failed. `open` then refuses the root too, until an operator has repaired the file
    /// system and removed the file `large/failed-sync`.
    async fn probe(&self) -> Result<()> {
        let root = &self.shared().root;
        root.check_trusted(Operation::Probe, None)?;
        root.check_alive(Operation::Probe)?;
        self.shared().large.probe().await
    }

    async fn close(&self) {
        // Tasks that outlive their caller's future hold the lock for reading.
        drop(self.shared().tasks.write().await);
        self.shared().large.close().await;
    }

    fn note_log(&self) -> Option<Arc<dyn NoteLog>> {
        Some(Arc::new(self.clone()))
    }
}
