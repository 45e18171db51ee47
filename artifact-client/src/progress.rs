//! How far a transfer is, told to whoever wants to show it.

use std::fmt;
use std::sync::Arc;

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many bytes of the artifact have gone: handed to the connection by a deposit, delivered by
    /// the stream of a fetch. It falls back to 0 where a deposit is begun again, and never falls in
    /// a fetch.
    pub bytes: u64,
    /// How many there will be, where that is known.
    pub total: Option<u64>,
}

/// What is called with each piece that has gone. It is called from within the stream: it must not
/// block.
#[derive(Clone)]
pub(crate) struct OnProgress(Arc<dyn Fn(Progress) + Send + Sync>);

impl OnProgress {
    pub(crate) fn new(call: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(crate) fn tell(&self, bytes: u64, total: Option<u64>) {
        (self.0)(Progress { bytes, total });
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress")
    }
}
