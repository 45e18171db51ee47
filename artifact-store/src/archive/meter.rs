//! Counts what an importer has read, and limits how fast it reads.

use super::report::ImportEvent;
use crate::pace::Pace;

/// The artifacts and bytes so far.
pub(super) struct Meter<F> {
    pace: Pace,
    pub(super) artifacts: u64,
    pub(super) bytes: u64,
    observe: F,
}

impl<F: FnMut(ImportEvent) + Send> Meter<F> {
    pub(super) fn new(pace: Pace, observe: F) -> Self {
        Self {
            pace,
            artifacts: 0,
            bytes: 0,
            observe,
        }
    }

    pub(super) fn observe(&mut self, event: ImportEvent) {
        (self.observe)(event);
    }

    /// Counts a chunk, and waits until it may be used.
    pub(super) async fn count(&mut self, length: usize) {
        self.pace.take(length as u64).await;
        self.bytes += length as u64;
        self.progress();
    }

    /// Counts an artifact that was read to its end.
    pub(super) fn end_artifact(&mut self) {
        self.artifacts += 1;
        self.progress();
    }

    fn progress(&mut self) {
        let (artifacts, bytes) = (self.artifacts, self.bytes);
        self.observe(ImportEvent::Progress { artifacts, bytes });
    }
}
