//! What is recorded about a collection.

use jiff::Timestamp;

use super::id::CollectionId;
use super::position::CollectionPosition;
use crate::experiment::ExperimentId;
use crate::identity::DisplayName;
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// A set of files with names. It grows until it is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collection {
    /// The id.
    pub id: CollectionId,
    /// The experiment that it belongs to.
    pub experiment: ExperimentId,
    /// The principal that it belongs to. All its files belong to it too: they have this depositor.
    pub owner: PrincipalId,
    /// A label. Several collections may have the same.
    pub title: Option<DisplayName>,
    /// When it was created, in whole microseconds since 1970.
    pub created_at: Timestamp,
    /// When it was sealed. From then on no name is given in it and no single file of it is deleted.
    pub sealed_at: Option<Timestamp>,
    /// When its deletion began. From then on it is like a sealed one, until the deletion is complete and it is gone.
    pub deleting_since: Option<Timestamp>,
    /// The number of files that are in it now.
    pub files: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
}

impl Collection {
    /// Creates an empty collection without a title. Truncates the time to microseconds.
    pub fn new(
        id: CollectionId,
        experiment: ExperimentId,
        owner: PrincipalId,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            experiment,
            owner,
            title: None,
            created_at: truncate_to_micros(created_at),
            sealed_at: None,
            deleting_since: None,
            files: 0,
            bytes: 0,
        }
    }

    /// Sets the title, or removes it.
    #[must_use = "returns the changed value"]
    pub fn with_title(mut self, title: impl Into<Option<DisplayName>>) -> Self {
        self.title = title.into();
        self
    }

    /// Returns whether names can still be given in it.
    pub fn is_open(&self) -> bool {
        self.sealed_at.is_none() && self.deleting_since.is_none()
    }

    /// Returns its position in lists of collections.
    pub fn position(&self) -> CollectionPosition {
        CollectionPosition::of(self.created_at, self.id)
    }
}
