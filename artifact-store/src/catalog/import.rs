//! Rows of an import, before they are visible.

use std::fmt;
use std::time::Duration;

use artifact_backend::ArtifactId;

use super::Hold;
use crate::digests::ChunkDigests;
use crate::row::Row;

/// How long the catalog keeps what an import has staged, after its last call.
pub(crate) const IMPORT_LASTS: Duration = Duration::from_hours(7 * 24);

/// Names one run of an import.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportId([u8; 16]);

impl ImportId {
    /// Creates a random id.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    #[must_use = "an id is useful only for an import"]
    pub fn mint() -> Self {
        Self(*ArtifactId::mint().as_bytes())
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportId({})", ArtifactId::from_bytes(self.0))
    }
}

/// A row that an import is about to publish, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StagedRow {
    /// The row.
    pub row: Row,
    /// The hold on the artifact.
    pub hold: Option<Hold>,
    /// The epoch of the [`Placement`](crate::Placement) that the bytes are stored under.
    pub placement: u64,
    /// The digests of the artifact's chunks.
    pub chunk_digests: Option<ChunkDigests>,
}

impl StagedRow {
    /// Creates a staged row without a hold and without chunk digests, of the epoch 0.
    pub fn new(row: Row) -> Self {
        Self {
            row,
            hold: None,
            placement: 0,
            chunk_digests: None,
        }
    }

    /// Sets the epoch. It was read before the bytes were stored: see [`PlacedBackend::epoch`](crate::PlacedBackend::epoch).
    #[must_use = "returns the changed row"]
    pub fn for_placement(mut self, epoch: u64) -> Self {
        self.placement = epoch;
        self
    }

    /// Sets the hold, or removes it. The hold is that of the row's artifact, whatever id it has.
    #[must_use = "returns the changed row"]
    pub fn with_hold(mut self, hold: impl Into<Option<Hold>>) -> Self {
        self.hold = hold.into();
        if let Some(hold) = &mut self.hold {
            hold.id = self.row.id;
        }
        self
    }

    /// Sets the digests of the artifact's chunks, or removes them. They [fit](ChunkDigests::fits) the size of the row.
    #[must_use = "returns the changed row"]
    pub fn with_chunk_digests(mut self, digests: impl Into<Option<ChunkDigests>>) -> Self {
        self.chunk_digests = digests.into();
        self
    }
}
