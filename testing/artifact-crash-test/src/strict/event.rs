//! The events of a recording: new inodes, edits, syncs, and the lines that the subject prints.

use std::ffi::OsString;
use std::sync::Arc;

use super::image::Inode;
use crate::protocol::Line;

/// An entry of a recording. Entries are in the order in which the file system performed them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An inode was created. It can be reached only if one of its names survives.
    New(u64, Inode),
    /// An inode was changed. The change is not yet durable.
    Edit(u64, Edit),
    /// A sync of this inode succeeded. Its edits before this position of the recording are durable: the
    /// position at which the sync began. Edits that arrived while it ran are not covered.
    Synced(u64, usize),
    /// A sync of this inode failed. Its edits before this position will never become durable, although
    /// they stay visible and the next sync returns Ok.
    Dropped(u64, usize),
    /// The subject printed a line.
    Printed(Line),
}

/// A change of one inode. After a crash it either survived or was lost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Edit {
    /// Writes bytes at an offset of a file.
    Write(u64, Arc<[u8]>),
    /// Sets the size of a file.
    Resize(u64),
    /// Sets the permission bits.
    Mode(u32),
    /// Sets the owner and the group.
    Owner(u32, u32),
    /// Changes names of one folder together: each is set to an inode or removed. A rename within a
    /// folder is one such edit. A rename between two folders is one edit in each, and either may survive
    /// alone.
    Names(Vec<(OsString, Option<u64>)>),
}
