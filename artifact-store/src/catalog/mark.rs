//! A sign of commits, for polls that should cost nothing.

/// What a database looked like at one moment. If it looks the same later, nothing was committed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitMark([u8; Self::LENGTH]);

impl CommitMark {
    /// The length in bytes.
    pub const LENGTH: usize = 48;

    /// Creates a mark, for implementations of [`CatalogInventory`](super::CatalogInventory).
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}
