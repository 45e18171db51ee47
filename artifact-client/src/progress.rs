//! Progress reports of a transfer.

use std::fmt;
use std::sync::Arc;

/// The progress of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of artifact bytes that a deposit has handed to the connection, or that a fetch has
    /// delivered. It returns to 0 when a deposit is retried; it never decreases in a fetch.
    pub bytes: u64,
    /// The number of bytes of the whole transfer, if known.
    pub total: Option<u64>,
}

/// A function that is called for each chunk, from within the stream. It must not block.
#[derive(Clone)]
pub(crate) struct ProgressCallback(Arc<dyn Fn(Progress) + Send + Sync>);

impl ProgressCallback {
    pub(crate) fn new(call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(crate) fn report(&self, bytes: u64, total: Option<u64>) {
        (self.0)(Progress { bytes, total });
    }
}

impl fmt::Debug for ProgressCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressCallback")
    }
}
