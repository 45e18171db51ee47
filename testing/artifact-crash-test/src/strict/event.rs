//! What happens to a file system: inodes, edits of them, syncs, and what the subject says meanwhile.

use std::ffi::OsString;
use std::sync::Arc;

use super::image::Inode;
use crate::protocol::Line;

/// One entry of a recording, in the order in which the file system did them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An inode came to be. Without a name that survives nobody reaches it.
    New(u64, Inode),
    /// An inode was changed; not durable yet.
    Edit(u64, Edit),
    /// A sync of this inode ended well: its edits before that position of the recording are durable.
    /// The position is that of the sync's beginning: what came in while it ran is not covered.
    Synced(u64, usize),
    /// A sync of this inode failed, and its edits before that position will never be durable, though
    /// they stay visible and the next sync will say Ok.
    Dropped(u64, usize),
    /// The subject said something.
    Said(Line),
}

/// One change of one inode, which survives or does not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Edit {
    /// Bytes at an offset of a file.
    Write(u64, Arc<[u8]>),
    /// A file's new size.
    Resize(u64),
    /// Permission bits.
    Mode(u32),
    /// Owner and group.
    Owner(u32, u32),
    /// Names of a directory that changed together: set to an inode, or removed. A rename within one
    /// directory is one such edit; a rename between two is one in each, and either may survive alone.
    Names(Vec<(OsString, Option<u64>)>),
}
