//! The trait for the records of collections.

use std::fmt::Debug;

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use jiff::Timestamp;

use super::collection::Collection;
use super::file::{CollectionFile, FileLocation};
use super::id::CollectionId;
use super::path::CollectionPath;
use super::position::CollectionPosition;
use crate::digests::ChunkDigests;
use crate::error::Result;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::row::Row;
use crate::time::Deadline;

/// Keeps collections, in the database of the [catalog](crate::Catalog). The rules of `Catalog` for durability, concurrency and
/// dropped futures hold here too. It checks no rights; [`CollectionStore`](super::CollectionStore) does.
///
/// A name that was given is never given again, also after its artifact was removed: whatever removes the row of an
/// artifact, [`CatalogInventory::remove`](crate::CatalogInventory::remove) for example, marks its name as removed in the
/// same transaction.
#[async_trait]
pub trait CollectionCatalog: Debug + Send + Sync + 'static {
    /// Creates an empty collection.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the id is taken; `NotFound` if the experiment does not exist; `Unavailable`, `OutOfSpace` and the kinds
    /// that an operator must resolve.
    async fn create_collection(&self, collection: &Collection) -> Result<()>;

    /// Finds a collection.
    ///
    /// # Errors
    ///
    /// `Corrupt` if this trait did not write the stored record; `Unavailable` and the kinds that an operator must resolve.
    async fn collection(&self, id: CollectionId) -> Result<Option<Collection>>;

    /// Returns the collections of an experiment after a position, the oldest first, at most `limit` (1 to 1,000; other numbers
    /// are clamped). With `owner`, only those of this principal.
    ///
    /// # Errors
    ///
    /// As [`collection`](Self::collection).
    async fn collections(
        &self,
        experiment: &ExperimentId,
        owner: Option<&PrincipalId>,
        after: CollectionPosition,
        limit: u32,
    ) -> Result<Vec<Collection>>;

    /// Writes a row and its chunk digests as [`Catalog::insert_with`](crate::Catalog::insert_with) does, and gives it a name
    /// in a collection, in one transaction: both or neither. Inserts into one collection take turns.
    ///
    /// A file is no folder: `a` and `a/b` cannot both be given, also if one of them was removed since. So a collection can always be
    /// written to a disk.
    ///
    /// # Errors
    ///
    /// `NameTaken` if the name was given before, or a name above or below it; `Sealed` if the collection is sealed or being
    /// deleted; `NotFound` if it does not exist in the experiment of the row; and as `insert_with`.
    async fn insert_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()>;

    /// Finds what was deposited under a name, also if it was removed.
    ///
    /// # Errors
    ///
    /// As [`collection`](Self::collection).
    async fn find_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
    ) -> Result<Option<CollectionFile>>;

    /// Returns the files from a name on, in the order of the bytes of their names, at most `limit` (1 to 1,000; other numbers are
    /// clamped). With `of_manifest`, those of the manifest; otherwise those that are there now.
    ///
    /// # Errors
    ///
    /// As [`collection`](Self::collection).
    async fn files(
        &self,
        collection: CollectionId,
        from: &NameBound,
        of_manifest: bool,
        limit: u32,
    ) -> Result<Vec<CollectionFile>>;

    /// Finds out which of these artifacts are in a collection now, in one read. Returns their locations in any order. Give
    /// at most 1,000 ids.
    ///
    /// # Errors
    ///
    /// As [`collection`](Self::collection).
    async fn locations(&self, artifacts: &[ArtifactId]) -> Result<Vec<FileLocation>>;

    /// Seals a collection; one that is sealed already stays as it is. Of a call and a concurrent
    /// [`insert_file`](Self::insert_file), one comes first: either the file is in the collection for good, or the insert fails
    /// with `Sealed`.
    ///
    /// # Errors
    ///
    /// `NotFound` if it does not exist; `Sealed` if it is being deleted; `Unavailable`, `OutOfSpace` and the kinds that an operator
    /// must resolve.
    async fn seal_collection(&self, id: CollectionId, at: Timestamp) -> Result<()>;

    /// Begins to delete a collection: from now on no name is given in it, and its files can be removed also if it is sealed.
    /// Can be repeated.
    ///
    /// # Errors
    ///
    /// `Held` if a hold is on one of its files, and nothing is changed; `NotFound` if it does not exist; `Unavailable`,
    /// `OutOfSpace` and the kinds that an operator must resolve.
    async fn begin_deletion(&self, id: CollectionId, at: Timestamp) -> Result<()>;

    /// Deletes a collection whose deletion has begun and whose files were removed, with all its names.
    ///
    /// # Errors
    ///
    /// `NotFound` if it does not exist, or its deletion has not begun; `Held` if a file is still in it; `Unavailable`,
    /// `OutOfSpace` and the kinds that an operator must resolve.
    async fn end_deletion(&self, id: CollectionId) -> Result<()>;
}

/// Where a part of a list of names begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameBound {
    /// At the first name that is not below this text.
    From(String),
    /// After this text.
    After(String),
}

impl NameBound {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        let (Self::From(text) | Self::After(text)) = self;
        text
    }
}
