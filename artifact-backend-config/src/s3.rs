//! The settings of a bucket that are the same for all providers. The fields are public for
//! `artifact-backend-s3` only.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{Clock, SystemClock};

/// Settings of an `ObjectStoreBackend` that are the same for all providers.
/// [`BucketOptions`](crate::BucketOptions) holds the endpoint, the region and the credentials.
///
/// Start from [`S3Config::default`] and change values with the `with_` methods.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct S3Config {
    #[doc(hidden)]
    pub part_bytes: u64,
    #[doc(hidden)]
    pub parallel_parts: usize,
    #[doc(hidden)]
    pub parallel_ranges: usize,
    #[doc(hidden)]
    pub deadline: Duration,
    #[doc(hidden)]
    pub readback_time: Duration,
    #[doc(hidden)]
    pub answer_timeout: Duration,
    #[doc(hidden)]
    pub read_timeout: Duration,
    #[doc(hidden)]
    pub upload_grace: Option<Duration>,
    #[doc(hidden)]
    pub min_client_rate: u64,
    #[doc(hidden)]
    pub min_upload_rate: u64,
    #[doc(hidden)]
    pub clock: Arc<dyn Clock>,
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            part_bytes: 8 << 20,
            parallel_parts: 4,
            parallel_ranges: 4,
            deadline: Duration::from_secs(30),
            readback_time: Duration::from_secs(15),
            answer_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
            upload_grace: None,
            min_client_rate: 4 << 10,
            min_upload_rate: 128 << 10,
            clock: Arc::new(SystemClock),
        }
    }
}

impl S3Config {
    /// Sets the part size of large uploads in bytes (at least 1); 8 MiB by default.
    ///
    /// The providers accept parts of 5 MiB to 5 GiB. If an upload's expected size needs more than
    /// 10,000 such parts, its parts are larger. A blob of up to one part is sent in one request.
    #[must_use = "returns the changed configuration"]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes = bytes.max(1);
        self
    }

    /// Sets how many parts of one upload are sent in parallel (at least 1); 4 by default.
    ///
    /// An upload holds at most this many parts, plus the one being filled, in memory.
    #[must_use = "returns the changed configuration"]
    pub fn with_parallel_parts(mut self, parts: usize) -> Self {
        self.parallel_parts = parts.max(1);
        self
    }

    /// Sets how many ranges of a large blob one [`load`](artifact_backend::ArtifactBackend::load)
    /// fetches in parallel (at least 1); 4 by default. A range has the size of a part.
    ///
    /// 1 loads the whole blob in one request.
    #[must_use = "returns the changed configuration"]
    pub fn with_parallel_ranges(mut self, ranges: usize) -> Self {
        self.parallel_ranges = ranges.max(1);
        self
    }

    /// Sets how long a failed request is retried; 30 s by default.
    ///
    /// It counts from the end of the first attempt. A create counts it from the beginning, so that a
    /// small blob is stored, or known not to be, within this time plus
    /// [`readback_time`](Self::with_readback_time): 45 s by default, also if the storage never
    /// responds. It does not limit the time that the transfer of the bytes takes.
    #[must_use = "returns the changed configuration"]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how long after the [deadline](Self::with_deadline) the backend may still try to find out
    /// the outcome of a create, before it reports `Ambiguous`; 15 s by default.
    #[must_use = "returns the changed configuration"]
    pub fn with_readback_time(mut self, time: Duration) -> Self {
        self.readback_time = time;
        self
    }

    /// Sets how long a request waits while no byte moves, in either direction; 15 s by default.
    ///
    /// A request with a body waits longer, for the time that the body takes at the
    /// [minimum rate](Self::with_min_upload_rate): buffers on the way may hold the whole body before it
    /// is sent.
    #[must_use = "returns the changed configuration"]
    pub fn with_answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Sets the minimum rate in bytes per second (at least 1) at which the body of one request must
    /// reach the storage, if the bytes on the way cannot be seen; 128 KiB by default.
    ///
    /// The parts of an upload share the link. At the default, a link needs 4 Mbit/s for four parts.
    #[must_use = "returns the changed configuration"]
    pub fn with_min_upload_rate(mut self, bytes_per_second: u64) -> Self {
        self.min_upload_rate = bytes_per_second.max(1);
        self
    }

    /// Sets how long a response body may stall between two chunks; 30 s by default.
    #[must_use = "returns the changed configuration"]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Sets how long an upload of another process counts as active after its last sign of activity.
    ///
    /// By default the longer of 1 hour and the time that a slow client may take for the next part:
    /// its size at the [minimum rate](Self::with_min_client_rate), and 15 minutes to send it. The size
    /// is that of the upload's own parts, if any have arrived, and at least
    /// [`part_bytes`](Self::with_part_bytes).
    ///
    /// It applies even if [`sweep`](artifact_backend::ArtifactInventory::sweep) is given a smaller
    /// age. An object store has no locks, so nothing else protects another process's uploads from a
    /// sweep by this one.
    #[must_use = "returns the changed configuration"]
    pub fn with_upload_grace(mut self, grace: Duration) -> Self {
        self.upload_grace = Some(grace);
        self
    }

    /// Sets the minimum rate in bytes per second (at least 1) at which the clients of all servers on
    /// this bucket must deliver an upload; 4 KiB by default, as in `artifact-server`.
    ///
    /// Only the [time](Self::with_upload_grace) that a sweep leaves to unfinished uploads depends on it.
    #[must_use = "returns the changed configuration"]
    pub fn with_min_client_rate(mut self, bytes_per_second: u64) -> Self {
        self.min_client_rate = bytes_per_second.max(1);
        self
    }

    /// Sets the clock that measures the age of leftovers. It is compared with the times that the
    /// storage reports.
    #[must_use = "returns the changed configuration"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
