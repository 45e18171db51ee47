//! The contract that every backend keeps.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::download::Download;
use crate::error::Result;
use crate::id::ArtifactId;
use crate::range::ByteRange;
use crate::upload::Upload;

/// Keeps blobs that must not change: store once, load for ever.
///
/// This is all that a request path is handed. It cannot list or delete: that is
/// [`ArtifactInventory`](crate::ArtifactInventory), for maintenance only.
///
/// # The contract
///
/// Twelve clauses bind every implementation, each with cases of the same name in
/// `artifact-backend-conformance`. "Blob" is the bytes under one id; "ever" ends where somebody
/// [deletes](crate::ArtifactInventory::delete) the blob, after which its id is not used again.
///
/// 1. **exclusive**: of all stores and uploads of one id, ever, by any task, thread or process, at
///    most one succeeds. The others get [`AlreadyExists`], and the first bytes stay. An
///    `AlreadyExists` is as durable as the blob that it speaks of.
/// 2. **atomic**: a reader sees the whole blob or [`NotFound`], never a part of it.
/// 3. **durable**: `Ok` is returned only once nothing remains to be done for bytes and name to
///    outlive the process, the machine's crash and a power cut, on every medium that can outlive
///    them: no flush, no sync, no background task. A failed sync is never retried into an `Ok`.
/// 4. **exact**: what is read is byte for byte what was stored; an empty blob is a blob.
/// 5. **absent**: `NotFound` only when the backend knows that this blob is absent. A missing
///    bucket, a lost root, bad credentials are errors of their own ([`Misconfigured`],
///    [`PermissionDenied`], [`Unavailable`]).
/// 6. **all-or-nothing**: an error, a dropped future, an aborted or dropped upload leaves nothing
///    or the whole blob, and no leftover that [`sweep`](crate::ArtifactInventory::sweep) cannot
///    find.
/// 7. **honest**: an outcome that cannot be known is [`Ambiguous`]: never `Ok`, never
///    `AlreadyExists`.
/// 8. **bounded**: `upload` and `download` need memory that does not grow with the blob.
/// 9. **range**: [`ByteRange`] is clamped to the end of the blob; one that holds no byte of it is
///    [`InvalidRange`], with the size.
/// 10. **contained**: nothing outside the backend's own root or prefix is read or written,
///     whatever is planted inside it.
/// 11. **inventory**: a list shows every acknowledged blob once; delete is idempotent.
/// 12. **concurrent**: all of this holds under any interleaving of callers.
///
/// # Dropped futures
///
/// Every future here may be dropped at any await point. A dropped `store` or `commit` leaves
/// nothing or the whole blob, and which of the two may be decided after the drop: work that was
/// handed to the operating system or to a server goes on. A dropped `load` or `download` leaves
/// nothing. Nothing that a dropped future leaves can be seen as a part of a blob.
///
/// # Implementing it
///
/// The smallest whole backend is `examples/smallest_backend.rs` of this crate; it passes the
/// conformance suite. Implementations forward or implement every method: there are no defaults
/// that could be forgotten.
///
/// [`AlreadyExists`]: crate::ErrorKind::AlreadyExists
/// [`Ambiguous`]: crate::ErrorKind::Ambiguous
/// [`InvalidRange`]: crate::ErrorKind::InvalidRange
/// [`Misconfigured`]: crate::ErrorKind::Misconfigured
/// [`NotFound`]: crate::ErrorKind::NotFound
/// [`PermissionDenied`]: crate::ErrorKind::PermissionDenied
/// [`Unavailable`]: crate::ErrorKind::Unavailable
#[async_trait]
pub trait ArtifactBackend: Debug + Send + Sync + 'static {
    /// Stores a whole blob under a fresh id. `Ok` means durable (clause 3).
    ///
    /// For bodies that are in memory anyway, up to a few MiB; a larger one goes through
    /// [`upload`](Self::upload).
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when the id is taken, `Ambiguous` when it cannot be known whether the blob
    /// was stored, `OutOfSpace`, `TooLarge`, `Unavailable` and the operator's kinds. After every
    /// error but `Ambiguous` this call's bytes are not visible and never will be.
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()>;

    /// Begins a blob that arrives in pieces. Nothing is visible, and the id is not reserved, until
    /// [`Upload::commit`]: of two uploads of one id, the first to commit wins.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` where the backend already knows that the id is taken (it may also say so
    /// only at the commit), and otherwise as for [`store`](Self::store).
    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>>;

    /// Loads a whole blob into memory, as much as it has bytes.
    ///
    /// Where the size is not known to be small, use [`download`](Self::download), or
    /// [`load_within`](crate::ArtifactBackendExt::load_within), which refuses a larger blob before
    /// reading it.
    ///
    /// # Errors
    ///
    /// `NotFound` (clause 5), `Corrupt` when what is stored is not a whole blob of ours,
    /// `Unavailable` and the operator's kinds.
    async fn load(&self, id: ArtifactId) -> Result<Bytes>;

    /// Opens a blob for streaming: its size, the range resolved against it, and the bytes.
    ///
    /// # Errors
    ///
    /// Before the stream: as for [`load`](Self::load), and `InvalidRange` with the size. In the
    /// stream: an error ends it; a stream that ends without one has delivered every byte
    /// ([`Download`] sees to that).
    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download>;
}

macro_rules! forward {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<B: ArtifactBackend + ?Sized> ArtifactBackend for $pointer<B> {
            async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
                (**self).store(id, bytes).await
            }

            async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
                (**self).upload(id).await
            }

            async fn load(&self, id: ArtifactId) -> Result<Bytes> {
                (**self).load(id).await
            }

            async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
                (**self).download(id, range).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
