//! What a stranger may have put into the storage.

use artifact_backend::{ArtifactId, BoxError};
use async_trait::async_trait;

/// Something hostile that lies in the storage where a blob would lie: a symlink that leads out, a
/// FIFO, a directory, a hard link to a foreign file. Clause 10 is tested with these.
///
/// The suite gives each plant a fresh storage, calls [`plant`](Self::plant) with a fresh id, does
/// every operation on that id and some on others, and then calls [`check`](Self::check). Loading
/// the planted id must be an error that says so, storing under it must not succeed unless the
/// stored bytes can be read back, and other ids must work as ever.
///
/// A regular file that is not told apart from a blob is no plant: it lies inside.
#[async_trait]
pub trait Plant: Send + Sync + 'static {
    /// What it is, for the report: `a symlink to a file outside`.
    fn name(&self) -> &str;

    /// Puts it where the blob `id` would lie.
    ///
    /// # Errors
    ///
    /// When it cannot: the case then fails, since it tested nothing.
    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError>;

    /// Looks whether anything outside the storage was read into it, written or removed.
    ///
    /// # Errors
    ///
    /// What was touched.
    async fn check(&self) -> Result<(), BoxError>;
}
