//! Pages of expired rows.

use artifact_backend::ArtifactId;

use super::position::RowPosition;
use crate::experiment::ExperimentId;

/// Where a list of expired rows goes on. First come the rows with a time of their own, in the order of these times. Then
/// come the others, by experiment, in the order of their creation.
///
/// Callers pass the `next` of one page to the call for the following page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ExpiryPosition {
    /// The experiment of the last row that expired by its retention; `None` before the first one.
    pub experiment: Option<ExperimentId>,
    /// The time of expiry of the last row or, in an experiment, of its creation, in microseconds since 1970.
    pub micros: i64,
    /// The position of the last row.
    pub row: RowPosition,
}

impl ExpiryPosition {
    /// The position before the first row.
    pub const START: Self = Self {
        experiment: None,
        micros: i64::MIN,
        row: RowPosition::START,
    };

    /// Creates a position, for implementations of [`CatalogInventory`](super::CatalogInventory).
    pub fn new(experiment: Option<ExperimentId>, micros: i64, row: RowPosition) -> Self {
        Self {
            experiment,
            micros,
            row,
        }
    }
}

/// The ids of some expired rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExpiredPage {
    /// The ids. May be empty although more pages follow.
    pub ids: Vec<ArtifactId>,
    /// The position after which the next page begins, or `None` if this page is the last one.
    pub next: Option<ExpiryPosition>,
}

impl ExpiredPage {
    /// Creates a page.
    pub fn new(ids: Vec<ArtifactId>, next: Option<ExpiryPosition>) -> Self {
        Self { ids, next }
    }
}
