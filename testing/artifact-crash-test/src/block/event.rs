//! What happens to a block device while a subject runs.

use std::sync::Arc;

use super::file_system::FileSystem;
use super::pages::Pages;
use crate::protocol::Line;
use crate::subject::Ended;

/// One entry of a device's log, in the order in which the device did them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BlockEvent {
    /// Bytes were written at an offset; in the device's cache only.
    Write(u64, Arc<[u8]>),
    /// A range was discarded or zeroed; in the device's cache only.
    Zero(u64, u64),
    /// A flush ended: all writes before that position of the log are durable. The position is that of
    /// its beginning.
    Flush(usize),
    /// The subject said something.
    Said(Line),
}

impl BlockEvent {
    /// Brings a write to a device's content.
    pub(crate) fn apply(&self, pages: &mut Pages) {
        match self {
            Self::Write(offset, data) => pages.write(*offset, data),
            Self::Zero(offset, length) => pages.zero(*offset, *length),
            Self::Flush(_) | Self::Said(_) => {}
        }
    }
}

/// All that happened to a device in one run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BlockRecording {
    /// What is on the device.
    pub file_system: FileSystem,
    /// The device before the run: made, with the subject's empty root in it, cleanly unmounted.
    pub base: Pages,
    /// What happened, in order.
    pub events: Vec<BlockEvent>,
    /// How the subject ended.
    pub ended: Ended,
}

impl BlockRecording {
    /// What the subject said it cannot do here, if it said so.
    pub fn unsupported(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            BlockEvent::Said(Line::Unsupported(why)) => Some(why.as_str()),
            _ => None,
        })
    }
}
