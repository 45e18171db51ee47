//! Hostile objects in the storage.

use artifact_backend::{ArtifactId, BoxError};
use async_trait::async_trait;

/// A hostile object at the location of a blob: a symlink that leads out of the storage, a FIFO, a directory, a hard
/// link to a foreign file. Clause 10 is tested with these.
///
/// The suite makes a new storage for each plant, calls [`plant`](Self::plant) with a new id, runs every
/// operation on that id and some on others, and then calls [`check`](Self::check). Loading the planted id must
/// be an error that names the problem. If a stat of it is `Corrupt`, lists must report it as a damaged blob and go
/// on (clause 11). Storing under it must not succeed unless the stored bytes can be read back. Other ids must work
/// normally.
///
/// A regular file that looks like a blob is not a plant, because it is inside the storage.
#[async_trait]
pub trait Plant: Send + Sync + 'static {
    /// Describes the object for the report, such as `a symlink to a file outside`.
    fn name(&self) -> &str;

    /// Creates the object at the location of the blob `id`.
    ///
    /// # Errors
    ///
    /// If the object cannot be created. The case then fails, because it tested nothing.
    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError>;

    /// Checks that nothing outside the storage was read into it, written or removed.
    ///
    /// # Errors
    ///
    /// The outside object that was touched.
    async fn check(&self) -> Result<(), BoxError>;
}
