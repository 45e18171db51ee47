//! A stamp that shows whether stored data was touched.

/// The state of a blob's storage, such as its inode and the time of its last change.
///
/// Blobs never change, so a stamp is not a version. It shows whether an operator, a restore or an
/// attacker may have touched the stored data since the last look. Two downloads of one id with equal
/// stamps read the same storage in the same state, as far as the storage records changes. Bit rot on
/// the disk does not change a stamp.
///
/// A layer passes the stamp of the inner download on, because it describes the storage and not the chunks.
/// [`Download::map_stream`](crate::Download::map_stream) and [`forward!`](crate::forward) do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp([u64; 3]);

impl Stamp {
    /// Creates a stamp from values that the backend chooses. Only stamps of one backend compare.
    pub const fn new(parts: [u64; 3]) -> Self {
        Self(parts)
    }
}
