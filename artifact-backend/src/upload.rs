//! A blob that arrives in pieces.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

/// A blob on its way in: write it piece by piece, then [`commit`](Self::commit).
///
/// Until the commit returns, nobody sees anything of it. An upload that is
/// [aborted](Self::abort), or dropped at any moment, publishes nothing; what it wrote so far is
/// removed at once or is a leftover that [`sweep`](crate::ArtifactInventory::sweep) removes.
///
/// An upload is spoilt by the first [`write`](Self::write) that fails or whose future is dropped
/// before it is done: how much of that piece was taken is then not known, so every later `write`
/// and the `commit` fail with [`Unexpected`](crate::ErrorKind::Unexpected). It can still be aborted.
///
/// Memory is bounded: a `write` returns only once the piece is on its way to the storage, and no
/// more than a constant amount waits.
#[async_trait]
#[must_use = "an upload that is dropped publishes nothing; call commit"]
pub trait Upload: Debug + Send {
    /// Says how many bytes are expected in all, before the first [`write`](Self::write), so that
    /// the backend can set space aside or choose a part size. It is a hint: more bytes, or fewer,
    /// are no error and change nothing in what is stored.
    fn expect_size(&mut self, bytes: u64);

    /// Appends a piece. Pieces of any length may be mixed, empty ones too.
    ///
    /// # Errors
    ///
    /// `OutOfSpace`, `TooLarge`, `Unavailable` and the operator's kinds. Any error, and a dropped
    /// future, spoils the upload.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Publishes what was written, at once and as a whole. `Ok` means durable.
    ///
    /// With no `write` before, it publishes an empty blob.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when the id is taken, `Ambiguous` when it cannot be known whether the blob
    /// was published, else as for [`store`](crate::ArtifactBackend::store). After every error but
    /// `Ambiguous` nothing is published. A dropped future leaves nothing or the whole blob.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Gives up, and waits until what was written is removed. Dropping does the same without
    /// waiting and without telling about failures.
    ///
    /// # Errors
    ///
    /// When what was written could not be removed. It is then a leftover for `sweep`; nothing is
    /// published all the same.
    async fn abort(self: Box<Self>) -> Result<()>;
}
