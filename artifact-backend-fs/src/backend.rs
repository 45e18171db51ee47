//! The operations, each one hop to the blocking pool or none.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    ErrorKind, Operation, Result, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;

use crate::buffers::Buffers;
use crate::config::FsConfig;
use crate::doubt::Doubt;
use crate::error::{failed, with_kind};
use crate::layout::BlobName;
use crate::load::{self, Blob, Inline};
use crate::pool::Pool;
use crate::reading::Reading;
use crate::root::Root;
use crate::staging::{Temporary, Unnamed};
use crate::upload::{FsUpload, Writing};
use crate::{download, list, pace, sweep, sys};

/// A backend on a local folder. Clones share one.
///
/// Several processes may have one folder open: what excludes them from each other is the file
/// system. Its methods need a tokio runtime.
#[derive(Debug, Clone)]
pub struct FsBackend {
    shared: Arc<Shared>,
}

/// What all clones and uploads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: Arc<Root>,
    pub(crate) doubt: Doubt,
    pub(crate) writes: Pool,
    /// For reads that wait for the disk.
    pub(crate) reads: Pool,
    /// For large reads of what is in memory: more of them than cores only hold more memory.
    copies: Pool,
    pub(crate) buffers: Buffers,
    unnamed: Unnamed,
    inline_read_bytes: u64,
}

impl FsBackend {
    /// Opens the folder `root`, or makes it (mode 0700) in a parent that is there. `Ok` means that the
    /// folder, its parts and its format marker are durable.
    ///
    /// The folder is resolved once and held by a descriptor: what later happens to its path, or to a
    /// relative path's working directory, changes nothing.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the parent is missing, the folder belongs to another user, others may
    /// write to it, it holds something else, or its layout is of another version; the operating
    /// system's errors otherwise. What was made before an error stays, and can be opened later.
    pub async fn open(root: impl Into<PathBuf>, config: FsConfig) -> Result<Self> {
        let FsConfig {
            named_staging,
            max_concurrent_writes,
            max_concurrent_reads,
            inline_read_bytes,
            idle_buffer_bytes,
        } = config;
        let path = root.into();
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let writes = Pool::new(max_concurrent_writes);
        let root = writes
            .run(Operation::Open, move || Root::open(&path))
            .await?;
        Ok(Self {
            shared: Arc::new(Shared {
                root: Arc::new(root),
                doubt: Doubt::default(),
                writes,
                reads: Pool::new(max_concurrent_reads),
                copies: Pool::new(cores.max(2)),
                unnamed: Unnamed::new(!named_staging),
                buffers: Buffers::new(idle_buffer_bytes),
                inline_read_bytes,
            }),
        })
    }
}

impl Shared {
    /// Up to how many bytes are read on the caller's own thread: none where even what is cached may
    /// have to be waited for.
    pub(crate) fn inline_bytes(&self) -> u64 {
        if self.root.is_local() {
            self.inline_read_bytes
        } else {
            0
        }
    }

    /// Loads a large blob: what is in memory on the caller's thread, a step at a time, and the rest by
    /// one hop.
    async fn load_large(&self, id: ArtifactId, blob: Blob, step: u64) -> Result<Bytes> {
        let place = self.copies.place().await;
        let mut reading = Reading::new(blob, &self.buffers, id)?;
        while let Some(read) = reading.step(step) {
            pace::charge(read).await;
        }
        if reading.is_whole() {
            return reading.finish();
        }
        drop(place);
        self.reads
            .run(Operation::Load, move || reading.wait())
            .await
    }

    fn begin(&self, operation: Operation, id: ArtifactId, expected: u64) -> Result<Writing> {
        let temporary = Temporary::new(&self.root, &self.unnamed, operation, id)?;
        Ok(Writing::begin(temporary, expected))
    }

    fn delete(&self, id: ArtifactId) -> Result<()> {
        let fail = |errno| failed(Operation::Delete, Some(id), "remove the blob", errno);
        self.doubt.check(Operation::Delete, id)?;
        let folder = self.root.open_blobs().map_err(fail)?;
        match load::stat(&self.root, Operation::Delete, id) {
            Ok(_) => match sys::unlink(self.root.blobs(), BlobName::of(id).as_str()) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(errno) => return Err(fail(errno)),
            },
            // Somebody else may be deleting it: the absence is to be durable for this caller too.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.doubt.sync_folder(&folder).map_err(|errno| {
            let action = "sync the absence of the blob";
            with_kind(
                ErrorKind::Ambiguous,
                Operation::Delete,
                Some(id),
                action,
                errno,
            )
        })
    }
}

#[async_trait]
impl ArtifactBackend for FsBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let mut writing = shared.begin(Operation::Store, id, bytes.len() as u64)?;
            writing
                .write(&bytes)
                .map_err(|errno| failed(Operation::Store, Some(id), "write the bytes", errno))?;
            writing.publish(&shared, Operation::Store, id)
        };
        self.shared.writes.run(Operation::Store, work).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let shared = Arc::clone(&self.shared);
        let work = move || shared.begin(Operation::Upload, id, 0);
        let writing = self.shared.writes.run(Operation::Upload, work).await?;
        Ok(Box::new(FsUpload::new(
            Arc::clone(&self.shared),
            id,
            writing,
        )))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        let mut opened = None;
        let most = self.shared.inline_bytes();
        if most > 0 {
            match load::inline(&self.shared.root, &self.shared.buffers, id, most)? {
                Inline::Done(bytes) => {
                    pace::charge(bytes.len() as u64).await;
                    return Ok(bytes);
                }
                Inline::Large(blob) => return self.shared.load_large(id, blob, most).await,
                Inline::Cold(blob) => opened = Some(blob),
                Inline::Wait => {}
            }
        }
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let blob = match opened {
                Some(blob) => blob,
                None => load::open(&shared.root, Operation::Load, id)?,
            };
            Reading::new(blob, &shared.buffers, id)?.wait()
        };
        self.shared.reads.run(Operation::Load, work).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let cached = match self.shared.inline_bytes() {
            0 => None,
            _ => load::open_cached(&self.shared.root, Operation::Download, id)?,
        };
        let blob = if let Some(blob) = cached {
            blob
        } else {
            let root = Arc::clone(&self.shared.root);
            let work = move || load::open(&root, Operation::Download, id);
            self.shared.reads.run(Operation::Download, work).await?
        };
        download::stream(&self.shared, blob, id, range)
    }
}

#[async_trait]
impl ArtifactInventory for FsBackend {
    async fn list(&self) -> Result<BlobList> {
        list::list(Arc::clone(&self.shared)).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let root = Arc::clone(&self.shared.root);
        let work = move || load::stat(&root, Operation::Stat, id);
        self.shared.reads.run(Operation::Stat, work).await
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        self.shared
            .writes
            .run(Operation::Delete, move || shared.delete(id))
            .await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        let root = Arc::clone(&self.shared.root);
        self.shared
            .writes
            .run(Operation::Sweep, move || sweep::sweep(&root, older_than))
            .await
    }
}
