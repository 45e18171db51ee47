//! Pages of lists.

/// The position of a record in a list of workers or groups. Lists are ordered by time, then by id.
///
/// A position is opaque to callers: they pass the [`next`](Page::next) of one page to the call for the
/// following page. The record itself may be gone by then.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPosition {
    micros: Option<i64>,
    id: Vec<u8>,
}

impl ListPosition {
    /// The position before the first record.
    pub const START: Self = Self {
        micros: None,
        id: Vec::new(),
    };

    /// Creates the position of a record, for implementations of
    /// [`IdentityStore`](crate::IdentityStore): its time in microseconds since 1970, and its id as it is
    /// stored, which may not be a valid id.
    pub fn new(micros: i64, id: impl Into<Vec<u8>>) -> Self {
        Self {
            micros: Some(micros),
            id: id.into(),
        }
    }

    /// Returns the time in microseconds since 1970; `i64::MIN` at the start.
    pub fn micros(&self) -> i64 {
        self.micros.unwrap_or(i64::MIN)
    }

    /// Returns the id as it is stored; empty at the start.
    pub fn id(&self) -> &[u8] {
        &self.id
    }
}

/// Part of a list of workers or groups: what one read of the database returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The records, in the order of the list. May be empty although more pages follow.
    pub records: Vec<T>,
    /// How many records of this page cannot be read, because their stored values are not those that this
    /// store writes. They are left out of `records`, and the first one of them is logged as a warning
    /// with `alarm="corrupt-rows"`.
    pub unreadable: u64,
    /// The position after which the next page begins, or `None` if this page is the last one.
    pub next: Option<ListPosition>,
}

impl<T> Page<T> {
    /// Creates a page without unreadable records.
    pub fn new(records: Vec<T>, next: Option<ListPosition>) -> Self {
        Self {
            records,
            unreadable: 0,
            next,
        }
    }

    /// Sets the number of unreadable records.
    #[must_use = "returns the changed page"]
    pub fn with_unreadable(mut self, unreadable: u64) -> Self {
        self.unreadable = unreadable;
        self
    }
}
