//! Positions in the catalog, and pages of rows.

use std::sync::Arc;

use crate::row::Row;

/// The position of a row or a removal in the catalog. The database gives each a new one, in the order in which they
/// become visible: what is listed after a position stays after it.
///
/// A position is opaque to callers: they pass the `next` of one page to the call for the following page. It stays valid
/// after its row was removed, and in every process on the same database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowPosition(u64);

impl RowPosition {
    /// The position before the first row.
    pub const START: Self = Self(0);

    /// Creates a position from its number, for implementations of [`CatalogInventory`](super::CatalogInventory) and for
    /// programs that keep positions.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number; 0 at the start.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Some rows of the catalog, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RowPage {
    /// The rows that match the filter. May be empty although more pages follow.
    pub rows: Vec<Arc<Row>>,
    /// How many rows of this page cannot be read, because their stored values are not those that this store writes. They
    /// are left out of `rows`, and the first one is logged as a warning with `alarm="corrupt-rows"`.
    pub unreadable: u64,
    /// The position after which the next page begins, or `None` if this page is the last one.
    pub next: Option<RowPosition>,
}

impl RowPage {
    /// Creates a page without unreadable rows.
    pub fn new(rows: Vec<Arc<Row>>, next: Option<RowPosition>) -> Self {
        Self {
            rows,
            unreadable: 0,
            next,
        }
    }

    /// Sets the number of unreadable rows.
    #[must_use = "returns the changed page"]
    pub fn with_unreadable(mut self, unreadable: u64) -> Self {
        self.unreadable = unreadable;
        self
    }
}
