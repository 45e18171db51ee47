//! A blob that arrives in chunks.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

/// An upload in progress: [`write`](Self::write) the chunks, then [`commit`](Self::commit).
///
/// No reader sees any of it before the commit. An upload that is [aborted](Self::abort) or dropped
/// publishes nothing. What it wrote is removed at once or is a leftover that
/// [`sweep`](crate::ArtifactInventory::sweep) removes.
///
/// The first `write` that fails, or whose future is dropped before it is done, breaks the upload: it
/// is not known how much of that chunk was taken. Every later `write` and the `commit` then fail
/// with [`Unexpected`](crate::ErrorKind::Unexpected). A broken upload can still be aborted.
///
/// Memory is bounded: a `write` returns once the chunk is on its way to the storage, and only a
/// constant number of bytes is buffered.
#[async_trait]
#[must_use = "an upload that is dropped publishes nothing; call commit"]
pub trait Upload: Debug + Send {
    /// Announces the total size in bytes, before the first [`write`](Self::write).
    ///
    /// The backend can reserve space or choose a part size by it. It is only a hint: more or fewer
    /// bytes are not an error and do not change what is stored.
    fn expect_size(&mut self, bytes: u64);

    /// Appends a chunk of any length, which may be empty.
    ///
    /// # Errors
    ///
    /// `OutOfSpace`, `TooLarge`, `Unavailable`, and the kinds that an operator must resolve. Any
    /// error and a dropped future break the upload.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Publishes the written bytes atomically. `Ok` means durable.
    ///
    /// Without a `write` before, it publishes an empty blob.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the id is taken, `Ambiguous` if the outcome cannot be known, otherwise as
    /// for [`store`](crate::ArtifactBackend::store). After every error but `Ambiguous` nothing is
    /// published. A dropped future leaves nothing or the whole blob.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Cancels the upload and waits until the written bytes are removed. A drop does the same, but
    /// does not wait and does not report failures.
    ///
    /// # Errors
    ///
    /// If the written bytes could not be removed. They are then a leftover for `sweep`; nothing is
    /// published.
    async fn abort(self: Box<Self>) -> Result<()>;
}
