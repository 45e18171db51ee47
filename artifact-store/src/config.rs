//! The settings of a store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{Clock, SystemClock};

/// The settings of an [`ArtifactStore`](crate::ArtifactStore).
///
/// ```
/// use artifact_store::StoreConfig;
///
/// let config = StoreConfig::default().with_max_artifact_bytes(16 << 20);
/// assert_eq!(config.max_artifact_bytes(), 16 << 20);
/// ```
#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub(crate) max_artifact_bytes: u64,
    pub(crate) small_deposit_bytes: usize,
    pub(crate) grace_period: Duration,
    pub(crate) commit_timeout: Option<Duration>,
    pub(crate) verified_cache_bytes: usize,
    pub(crate) read_memory_bytes: usize,
    pub(crate) quota_lease: Duration,
    pub(crate) min_free_bytes: u64,
    pub(crate) space_folders: Vec<PathBuf>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_artifact_bytes: 100 << 20,
            small_deposit_bytes: 1 << 20,
            grace_period: Duration::from_hours(24),
            commit_timeout: None,
            verified_cache_bytes: 64 << 20,
            read_memory_bytes: 64 << 20,
            quota_lease: Duration::from_mins(3),
            min_free_bytes: 0,
            space_folders: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl StoreConfig {
    /// Sets the size limit of one artifact in bytes, inclusive. Default: 100 MiB.
    #[must_use = "returns the changed settings"]
    pub fn with_max_artifact_bytes(mut self, bytes: u64) -> Self {
        self.max_artifact_bytes = bytes;
        self
    }

    /// Sets the size in bytes up to which a deposit is collected in memory and stored in one call;
    /// a larger one is streamed. Default: 1 MiB.
    ///
    /// It bounds the memory of a deposit in flight, apart from a constant; see
    /// [`Deposit`](crate::Deposit).
    #[must_use = "returns the changed settings"]
    pub fn with_small_deposit_bytes(mut self, bytes: usize) -> Self {
        self.small_deposit_bytes = bytes;
        self
    }

    /// Sets the age from which a blob without a row may be collected. Default: 24 hours.
    ///
    /// All stores and collectors of one backend must use the same period.
    ///
    /// A deposit whose row is not begun within half of it is refused, and its row is never written, so
    /// that no blob is collected while its row is being written. Use minutes at least in production:
    /// the other half must outlast the transaction of one row and all differences between clocks.
    #[must_use = "returns the changed settings"]
    pub fn with_grace_period(mut self, period: Duration) -> Self {
        self.grace_period = period;
        self
    }

    /// Returns the grace period; see [`with_grace_period`](Self::with_grace_period).
    pub fn grace_period(&self) -> Duration {
        self.grace_period
    }

    /// Sets how long a deposit may wait for the backend and the catalog. Default: no limit.
    ///
    /// It limits each [`Deposit::write`](crate::Deposit::write), and as a whole
    /// [`Deposit::finish`](crate::Deposit::finish), which fails with `Unavailable` then. A client must
    /// wait longer than this for a response, or it gives up on deposits that may still succeed:
    /// `artifact-client` waits 120 seconds, so `artifact serve` sets 90. The Tokio runtime must have a
    /// timer, or deposits panic.
    #[must_use = "returns the changed settings"]
    pub fn with_commit_timeout(mut self, limit: Duration) -> Self {
        self.commit_timeout = Some(limit);
        self
    }

    /// Sets the memory in bytes for artifacts that were recently read whole and verified; 0 turns
    /// the cache off. Default: 64 MiB.
    ///
    /// A cached artifact is not read and hashed again while its blob is untouched. The memory also
    /// holds the artifacts that are being collected for the cache, by one reader each and in at most
    /// half of it; a reader that gets no memory reads without collecting. One artifact takes at most
    /// an eighth of the memory. The cache works only with backends whose downloads
    /// have a [`stamp`](artifact_backend::Download::stamp), such as local folders.
    #[must_use = "returns the changed settings"]
    pub fn with_verified_cache_bytes(mut self, bytes: usize) -> Self {
        self.verified_cache_bytes = bytes;
        self
    }

    /// Sets the memory in bytes for chunks of more than 16 KiB that readers hold. Default: 64 MiB.
    ///
    /// A chunk is as large as what its reader takes in 50 milliseconds, from 16 KiB to 512 KiB, and at
    /// most an eighth of what is left of this memory. When nothing is left, all readers get chunks of
    /// 16 KiB, so `n` readers that hold one chunk each need at most this memory and `n` times 16 KiB.
    /// This applies to backends that allocate a buffer per chunk and let the reader choose its
    /// [size](artifact_backend::Download::chunk_size), such as local folders. Chunks that come from the
    /// cache of verified artifacts count only there.
    #[must_use = "returns the changed settings"]
    pub fn with_read_memory_bytes(mut self, bytes: usize) -> Self {
        self.read_memory_bytes = bytes;
        self
    }

    /// Sets how long what a deposit has reserved of a [quota](crate::ManagedStore::set_quota) stays reserved after the process was
    /// killed. Default: 3 minutes.
    ///
    /// A deposit renews its reservation while bytes arrive. If none arrive for this time, or if its row is not written within it
    /// after its bytes are durable, another deposit may take the room; it then fails with `Unavailable` or `QuotaExceeded`.
    #[must_use = "returns the changed settings"]
    pub fn with_quota_lease(mut self, period: Duration) -> Self {
        self.quota_lease = period;
        self
    }

    /// Sets how many bytes the file system of each of these files and folders must have free. Below that, deposits, new uploads and
    /// appends to uploads fail with `OutOfSpace`, also those that have begun; reads and deletes go on. So does a deposit whose
    /// [key](crate::NewArtifact::with_idempotency_key) an earlier one has, because it stores nothing new. 0 is no minimum, the default.
    ///
    /// Name the folder of the backend and the folder of an SQLite file. A store that [follows a placement](crate::ArtifactStore::placed)
    /// adds the folder that it stores blobs in now.
    ///
    /// The space is that for users other than root (`statvfs`). It is measured while there are deposits, at most once a second, so
    /// deposits can go below the minimum by what they write in a second. Reaching it is logged with `alarm="low-free-space"`. A file
    /// system that cannot be measured has no minimum, nor has any on systems other than Unix.
    ///
    /// A file system that is full keeps SQLite from removing rows too, so the minimum leaves space for that.
    #[must_use = "returns the changed settings"]
    pub fn with_min_free_space(mut self, bytes: u64, folders: Vec<PathBuf>) -> Self {
        self.min_free_bytes = bytes;
        self.space_folders = folders;
        self
    }

    /// Sets the clock. Default: the system's.
    #[must_use = "returns the changed settings"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the size limit of one artifact in bytes.
    pub fn max_artifact_bytes(&self) -> u64 {
        self.max_artifact_bytes
    }

    /// Returns the clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}
