//! The state that all clones, uploads and downloads of a backend share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use artifact_backend::{Operation, Result};
use artifact_backend_config::FsConfig;

use crate::buffers::Buffers;
use crate::linux::root::Root;
use crate::linux::staging::TmpfileSupport;
use crate::pool::Pool;

/// The state that all clones, uploads and downloads of a backend share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: Arc<Root>,
    /// Held while the migration gives blobs new names, and by each delete during the migration. Without it,
    /// a blob could get a new name after a delete removed the others.
    pub(crate) moving: Mutex<()>,
    pub(crate) writes: Pool,
    /// For reads that wait for the disk.
    pub(crate) reads: Pool,
    /// For large reads from the page cache. More of them than cores would only use more memory.
    pub(crate) copies: Pool,
    pub(crate) buffers: Buffers,
    pub(crate) tmpfile: TmpfileSupport,
    inline_read_bytes: u64,
}

impl Shared {
    pub(crate) async fn open(path: PathBuf, config: FsConfig) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let writes = Pool::new("writes", config.max_concurrent_writes);
        let root = writes
            .run(Operation::Open, move || {
                Root::open(&path, !config.named_staging, config.link_count_sync)
            })
            .await?;
        Ok(Self {
            tmpfile: TmpfileSupport::new(root.unnamed_files()),
            root: Arc::new(root),
            moving: Mutex::new(()),
            writes,
            reads: Pool::new("reads", config.max_concurrent_reads),
            copies: Pool::new("copies", cores.max(2)),
            buffers: Buffers::new(config.idle_buffer_bytes),
            inline_read_bytes: config.inline_read_bytes,
        })
    }

    /// Returns how many bytes may be read on the caller's thread. Returns zero if the file system may
    /// block even for cached data.
    pub(crate) fn inline_limit(&self) -> u64 {
        if self.root.is_local() {
            self.inline_read_bytes
        } else {
            0
        }
    }
}
