//! The settings of resumable uploads.

use std::time::Duration;

/// The settings of [`Uploads`](super::Uploads).
///
/// ```
/// use std::time::Duration;
///
/// use artifact_store::UploadOptions;
///
/// let options = UploadOptions::default().with_lifetime(Duration::from_hours(48));
/// assert_eq!(options.lifetime(), Duration::from_hours(48));
/// ```
#[derive(Debug, Clone)]
pub struct UploadOptions {
    pub(super) lifetime: Duration,
    pub(super) part_bytes: u64,
    pub(super) max_open: u32,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_hours(24),
            part_bytes: 16 << 20,
            max_open: 100,
        }
    }
}

impl UploadOptions {
    /// The longest lifetime: 30 days.
    pub const MAX_LIFETIME: Duration = Duration::from_hours(30 * 24);

    /// How long an upload that has all its bytes is kept until it is completed, if the lifetime is not shorter: 24 hours. It
    /// is as long as the store recognises a repeated completion.
    pub const WHOLE_LIFETIME: Duration = crate::IdempotencyKey::KEPT_FOR;

    /// Sets how long a session is kept after its last append. A longer period than [`MAX_LIFETIME`](Self::MAX_LIFETIME)
    /// becomes that. Default: 24 hours.
    #[must_use = "returns the changed settings"]
    pub fn with_lifetime(mut self, period: Duration) -> Self {
        self.lifetime = period.min(Self::MAX_LIFETIME);
        self
    }

    /// Sets the size of a part in bytes (at least 1): how much of an append is stored and recorded together. Smaller
    /// parts lose less in a crash, larger ones need fewer blobs. Default: 16 MiB.
    #[must_use = "returns the changed settings"]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes = bytes.max(1);
        self
    }

    /// Sets how many sessions a principal may have in an experiment that are neither complete nor over. Default: 100.
    ///
    /// The open sessions of one principal together store at most this number times the size limit of an artifact.
    #[must_use = "returns the changed settings"]
    pub fn with_max_open(mut self, sessions: u32) -> Self {
        self.max_open = sessions;
        self
    }

    /// Returns how long a session is kept after its last append.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}
