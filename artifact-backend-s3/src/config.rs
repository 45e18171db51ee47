//! What can be set, whatever the provider.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{Clock, SystemClock};

/// How an [`ObjectStoreBackend`](crate::ObjectStoreBackend) is set up. What differs by provider (endpoint, region) is
/// in [`BucketOptions`](crate::BucketOptions).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct S3Config {
    /// The size of a part of a large upload, in bytes; 8 MiB by default. The providers take parts
    /// from 5 MiB to 5 GiB. An upload whose expected size would need more than 10,000 such parts
    /// gets larger ones. A blob of up to one part goes in a single request.
    pub part_bytes: u64,
    /// How many parts of one upload are on their way at once; 4 by default. An upload holds at most
    /// so many parts, and the one that fills, in memory.
    pub parallel_parts: usize,
    /// How many ranges of a large blob [`load`](artifact_backend::ArtifactBackend::load) fetches at
    /// once, unless one connection is fast enough; 4 by default, and 1 turns it off. A range has the
    /// size of a part.
    pub parallel_ranges: usize,
    /// For how long an operation is tried again before it fails; 30 s by default. What takes long
    /// only because there are many bytes is not cut by it.
    pub deadline: Duration,
    /// How much longer than [`deadline`](Self::deadline) may be spent on finding out what became of
    /// a create, before the outcome is `Ambiguous`; 15 s by default.
    pub readback_time: Duration,
    /// How long a request may wait for its answer; 15 s by default. A body on its way out has a
    /// second more for each 128 KiB.
    pub answer_timeout: Duration,
    /// How long a body on its way in may stall between two pieces; 30 s by default.
    pub read_timeout: Duration,
    /// For how long an upload that is not of this process counts as alive after its last sign of
    /// life, whatever age [`sweep`](artifact_backend::ArtifactInventory::sweep) is given; 1 hour by
    /// default. An object store knows no locks, so it is all that protects uploads of another
    /// process from a sweep by this one.
    pub upload_grace: Duration,
    /// Where the age of leftovers is measured from. It is compared with the times that the storage
    /// reports.
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
            upload_grace: Duration::from_hours(1),
            clock: Arc::new(SystemClock),
        }
    }
}

impl S3Config {
    /// The same, with parts of another size, in bytes; at least 1.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes = bytes.max(1);
        self
    }

    /// The same, with so many parts of one upload on their way at once; at least 1.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_parallel_parts(mut self, parts: usize) -> Self {
        self.parallel_parts = parts.max(1);
        self
    }

    /// The same, with so many ranges of one `load` on their way at once; at least 1.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_parallel_ranges(mut self, ranges: usize) -> Self {
        self.parallel_ranges = ranges.max(1);
        self
    }

    /// The same, with operations tried for so long.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same, with so much time to find out what became of a create.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_readback_time(mut self, time: Duration) -> Self {
        self.readback_time = time;
        self
    }

    /// The same, with so much time for a request's answer.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// The same, with so much time between two pieces of a body on its way in.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// The same, with uploads of other processes alive for so long after their last sign of life.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_upload_grace(mut self, grace: Duration) -> Self {
        self.upload_grace = grace;
        self
    }

    /// The same, with another clock.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
