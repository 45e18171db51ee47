//! The log of a block device while a subject runs.

use std::ops::Range;
use std::sync::Arc;

use super::file_system::FileSystem;
use super::pages::Pages;
use crate::protocol::Line;
use crate::subject::RunOutcome;

/// An entry of a device's log. Entries are in the order in which the device performed them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BlockEvent {
    /// Bytes were written at an offset. They are only in the device's cache.
    Write(u64, Arc<[u8]>),
    /// A range (offset and length) was discarded or zeroed, only in the device's cache.
    Zero(u64, u64),
    /// A flush finished. All writes before this position of the log are durable: the position at which
    /// the flush began.
    Flush(usize),
    /// A write of a range failed with EIO and changed nothing.
    Failed(Range<u64>),
    /// The subject printed a line.
    Printed(Line),
}

impl BlockEvent {
    /// Applies a write to a device's content.
    pub(crate) fn apply(&self, pages: &mut Pages) {
        match self {
            Self::Write(offset, data) => pages.write(*offset, data),
            Self::Zero(offset, length) => pages.zero(*offset, *length),
            Self::Flush(_) | Self::Failed(_) | Self::Printed(_) => {}
        }
    }
}

/// The recording of one run on a block device.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BlockRecording {
    /// The file system on the device.
    pub file_system: FileSystem,
    /// The device before the run: a fresh file system with the subject's empty root, cleanly unmounted.
    pub base: Pages,
    /// The events of the run, in order.
    pub events: Vec<BlockEvent>,
    /// The outcome of the run.
    pub outcome: RunOutcome,
}

impl BlockRecording {
    /// Returns the reason why the subject cannot work here, if it printed `UNSUPPORTED`.
    pub fn unsupported(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            BlockEvent::Printed(Line::Unsupported(why)) => Some(why.as_str()),
            _ => None,
        })
    }
}
