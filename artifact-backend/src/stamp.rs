//! Whether anything happened to what a blob is stored in.

/// Names the state of what a blob is stored in, such as the inode and the time of its last change.
///
/// Blobs never change, so this tells no versions of them apart. It shows whether somebody may have
/// touched what lies in the storage since it was looked at last: an operator, a restore, an attacker.
/// Two downloads of one id with equal stamps read the same storage in the same state, as far as the
/// storage itself records changes. What a disk does to the bits by itself is in no stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp([u64; 3]);

impl Stamp {
    /// A stamp of whatever the backend knows, within one backend.
    pub const fn new(parts: [u64; 3]) -> Self {
        Self(parts)
    }
}
