//! Signs of commits by any process, for polls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::files::OpenFiles;
use super::wal_index::{IndexHeader, WalIndex};
use crate::catalog::CommitMark;

/// Reads the header of the WAL index. Opens the file at the first use.
#[derive(Debug)]
pub(super) struct Marks {
    files: Arc<OpenFiles>,
    /// `None` if this system cannot read it.
    index: OnceLock<Option<WalIndex>>,
    /// A closed database has no marks, so that a poll asks it and gets an error.
    is_closed: AtomicBool,
}

impl Marks {
    pub(super) fn new(files: Arc<OpenFiles>) -> Self {
        Self {
            files,
            index: OnceLock::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Returns the mark of the last commit that was acknowledged before this call, or of a later one.
    pub(super) fn current(&self) -> Option<CommitMark> {
        if self.is_closed.load(Ordering::Acquire) {
            return None;
        }
        let index = self.index.get_or_init(|| {
            self.files.wal_index().unwrap_or_else(|error| {
                tracing::debug!(%error, "the shared memory of the database cannot be read");
                None
            })
        });
        index.as_ref()?.header().map(IndexHeader::mark)
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }
}
