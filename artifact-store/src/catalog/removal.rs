//! Removed rows.

use artifact_backend::ArtifactId;

use super::position::RowPosition;

/// What [`CatalogInventory::remove`](super::CatalogInventory::remove) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// The row was removed. The blob may be deleted.
    Removed,
    /// There was no row, and there never will be one. The blob may be deleted.
    Absent,
    /// A hold is on the artifact. Nothing was changed.
    Held,
    /// The artifact is in a sealed collection. Nothing was changed. Only an expiry or a deletion of the collection removes it.
    Sealed,
}

/// Some removed and condemned ids, in the order in which the catalog removed them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RemovalPage {
    /// The ids.
    pub ids: Vec<ArtifactId>,
    /// The position to continue after, also if the page is empty. A removal that commits later is after it.
    pub next: RowPosition,
}

impl RemovalPage {
    /// Creates a page.
    pub fn new(ids: Vec<ArtifactId>, next: RowPosition) -> Self {
        Self { ids, next }
    }
}
