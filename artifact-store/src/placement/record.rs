//! The record of the placement, and the trait of the database that keeps it.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::catalog::RowPosition;
use crate::error::{Error, ErrorKind, Operation, Result};

/// Where the blobs of a store are. The database keeps one placement, which every server reads.
///
/// Backends are named by their URLs, as [`BackendUrl`](crate::BackendUrl) prints them; a URL holds no secret. A store whose
/// blobs were never moved has no record; its placement has the epoch 0.
///
/// Every row that is accepted has its bytes in `current`, or in `previous`, which is read too:
///
/// - A store notes the epoch before it stores bytes, and the insert of the row carries it
///   ([`Deadline::for_placement`](crate::Deadline::for_placement)).
/// - The database refuses a row whose epoch is below the `fence`, in the transaction that would insert it. Rows of
///   programs that carry no epoch count as epoch 0.
/// - Before a migration ends, it raises the fence to its own epoch. From then on no row gets its bytes in `previous`, so
///   `previous` can be left once every row before was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placement {
    /// The number of changes so far. Servers read the placement again when it has changed.
    pub epoch: u64,
    /// The lowest epoch whose rows are accepted.
    pub fence: u64,
    /// The URL of the backend that new blobs are stored in.
    pub current: String,
    /// The URL of the backend that blobs are still copied from.
    pub previous: Option<String>,
    /// The blobs of all rows up to this position are in `current`.
    pub reached: RowPosition,
    /// The backends whose blobs were all moved away, by their URLs.
    pub former: Vec<FormerBackend>,
}

/// A backend that a store has left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FormerBackend {
    /// The URL.
    pub url: String,
    /// Whether blobs may have been deleted from it after they were moved. The store then never uses it again.
    pub is_emptied: bool,
}

impl FormerBackend {
    /// Creates an entry.
    pub fn new(url: impl Into<String>, is_emptied: bool) -> Self {
        Self {
            url: url.into(),
            is_emptied,
        }
    }

    /// Returns the word for its state.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) const fn state(&self) -> &'static str {
        if self.is_emptied { "emptied" } else { "left" }
    }
}

impl Placement {
    /// Creates the placement of a store with one backend, whose blobs were never moved.
    pub fn new(current: impl Into<String>) -> Self {
        Self {
            epoch: 0,
            fence: 0,
            current: current.into(),
            previous: None,
            reached: RowPosition::START,
            former: Vec::new(),
        }
    }

    /// Returns whether blobs are being copied.
    pub fn is_moving(&self) -> bool {
        self.previous.is_some()
    }

    /// Returns whether rows with bytes in the previous backend are refused already.
    pub fn is_fenced(&self) -> bool {
        self.fence >= self.epoch
    }

    /// Checks that a program whose settings name this backend may be started. While blobs are moved, that is so for both.
    ///
    /// # Errors
    ///
    /// `Misconfigured`; the detail says what to set.
    pub fn check_setting(&self, url: &str) -> Result<()> {
        let Self {
            current, previous, ..
        } = self;
        if url == current || Some(url) == previous.as_deref() {
            return Ok(());
        }
        let detail = match previous {
            Some(previous) => format!(
                "the blobs of this store are being moved from {previous} to {current}, and the backend of the settings is \
                 {url}; set it to {current}"
            ),
            None if self.former(url).is_some() => format!(
                "the blobs of this store were moved from {url} to {current}; set the backend to {current}"
            ),
            None => format!(
                "the blobs of this store are in {current}, and the backend of the settings is {url}; set it to {current}, or \
                 give --adopt once if {url} is another name of it"
            ),
        };
        Err(Error::new(ErrorKind::Misconfigured, Operation::Placement).with_detail(detail))
    }

    /// Gives the current backend another URL: the storage has another name now. Returns whether that is possible: not while
    /// blobs are moved, and not to the URL of a backend that the store has left.
    pub fn rename(&mut self, url: &str) -> bool {
        if self.is_moving() || self.current == url || self.former(url).is_some() {
            return false;
        }
        url.clone_into(&mut self.current);
        self.epoch += 1;
        true
    }

    /// Returns the entry of a backend that the store has left.
    pub fn former(&self, url: &str) -> Option<&FormerBackend> {
        self.former.iter().find(|former| former.url == url)
    }
}

/// Keeps the [`Placement`] of a store. It is in the same database as the [`Catalog`](crate::Catalog).
///
/// - `Ok` of a write means that it is durable, and that every later read by any process on the same database sees it.
/// - All methods may be called concurrently, from any task, and by other processes on the same database.
/// - Every write can be repeated after any error and after a dropped future.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve.
#[async_trait]
pub trait PlacementRecord: Debug + Send + Sync + 'static {
    /// Returns the placement, or `None` if the blobs of the store were never moved.
    async fn placement(&self) -> Result<Option<Placement>>;

    /// Replaces the placement if its epoch is `expected` (0 without a placement), and enforces the new fence: an insert
    /// that is not committed before is refused if its epoch is below the fence. Succeeds if the placement is `new` already.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the epoch is another one: another process has changed the placement.
    async fn replace_placement(&self, expected: u64, new: &Placement) -> Result<()>;

    /// Sets the position up to which the blobs of all rows are in the current backend, if the epoch is still `epoch`.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the epoch is another one.
    async fn set_reached(&self, epoch: u64, reached: RowPosition) -> Result<()>;
}
