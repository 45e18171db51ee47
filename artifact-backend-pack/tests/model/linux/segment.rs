//! Sealed segments in memory.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact_backend::{ArtifactId, Operation, Result};

use crate::format::entry::Entry;
use crate::format::filter::Filter;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Wait {
    Disk,
}

#[derive(Debug)]
pub(crate) struct NotCached;

#[derive(Debug)]
pub(crate) struct SegmentFile;

#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) file: Arc<SegmentFile>,
    number: u32,
    entries: Vec<Entry>,
    pub(crate) filter: Filter,
    pub(crate) freed: AtomicU64,
}

impl Sealed {
    pub(crate) fn new(number: u32, entries: Vec<Entry>) -> Self {
        let filter = Filter::new(entries.iter().map(|entry| entry.id));
        Self {
            file: Arc::new(SegmentFile),
            number,
            entries,
            filter,
            freed: AtomicU64::new(0),
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "a search of a file can fail in both ways"
    )]
    pub(crate) fn search(
        &self,
        _operation: Operation,
        id: ArtifactId,
        _wait: Wait,
    ) -> Result<Result<Option<Entry>, NotCached>> {
        let found = self.entries.iter().find(|entry| entry.id == id);
        Ok(Ok(found.copied()))
    }
}
