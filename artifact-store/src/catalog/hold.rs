//! Holds, which prevent that an artifact is removed.

use artifact_backend::ArtifactId;
use jiff::Timestamp;

use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// A hold on an artifact: while it is there, nothing removes the artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Hold {
    /// The artifact.
    pub id: ArtifactId,
    /// Who placed it.
    pub placed_by: PrincipalId,
    /// When it was placed, in whole microseconds since 1970.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_impl::micros")
    )]
    pub placed_at: Timestamp,
}

impl Hold {
    /// Creates a hold. Truncates the time to microseconds.
    pub fn new(id: ArtifactId, placed_by: PrincipalId, placed_at: Timestamp) -> Self {
        Self {
            id,
            placed_by,
            placed_at: truncate_to_micros(placed_at),
        }
    }
}
