//! The trait that every backend implements, and its contract.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::download::Download;
use crate::error::Result;
use crate::id::ArtifactId;
use crate::inventory::BlobStat;
use crate::noted::NotedBackend;
use crate::range::ByteRange;
use crate::upload::Upload;

/// A store of immutable blobs: store once, load for ever.
///
/// Request handlers get only this trait. It cannot list or delete; maintenance gets
/// [`ArtifactInventory`](crate::ArtifactInventory) for that.
///
/// # The contract
///
/// Every implementation keeps fourteen clauses. Each clause has cases of the same name in
/// `artifact-backend-conformance`. A blob is the bytes stored under one id. The clauses protect it
/// until it is [deleted](crate::ArtifactInventory::delete); its id is never used again.
///
/// 1. **exclusive**: Of all stores and uploads of one id, in any task, thread or process, at most
///    one ever succeeds. The others fail with [`AlreadyExists`] and the stored bytes stay. An
///    `AlreadyExists` is as durable as the blob it reports.
/// 2. **atomic**: A reader gets the whole blob or [`NotFound`], never a part of the blob.
/// 3. **durable**: `Ok` means that bytes and name survive the end of the process, a crash of the
///    machine and a power cut, on every medium that can survive them. No flush, sync or background
///    task is left to run. A failed sync is never retried into an `Ok`.
/// 4. **exact**: A read returns the stored bytes, byte for byte. An empty blob is a blob.
/// 5. **absent**: `NotFound` means that the backend knows that the blob is absent. A missing
///    bucket, a lost root and bad credentials are different errors ([`Misconfigured`],
///    [`PermissionDenied`], [`Unavailable`]).
/// 6. **all-or-nothing**: An error, a dropped future, or an aborted or dropped upload leaves
///    nothing or the whole blob. [`sweep`](crate::ArtifactInventory::sweep) finds every leftover.
/// 7. **honest**: An outcome that cannot be known is [`Ambiguous`]. It is never reported as `Ok`
///    or `AlreadyExists`.
/// 8. **bounded**: The memory that `upload` and `download` need does not grow with the blob.
/// 9. **range**: A [`ByteRange`] is clamped to the end of the blob. A range that holds no byte of
///    the blob fails with [`InvalidRange`], which carries the size.
/// 10. **contained**: The backend reads and writes nothing outside its own root or prefix,
///     whatever is planted inside it.
/// 11. **inventory**: A list shows every acknowledged blob once, a damaged one as an error. Delete is
///     idempotent.
/// 12. **concurrent**: All clauses hold under any interleaving of callers.
/// 13. **store-id**: The storage has no [`StoreId`](crate::StoreId) or one, which never changes. Of
///     all creates, in any task, thread or process, the first decides, and each returns the id that
///     the storage then has. That id is durable like a blob. It is apart from the blobs: no artifact
///     id leads to it, no list shows it, and no delete or sweep removes it.
/// 14. **ordered**: The list of a [`Shard`](crate::Shard) shows the blobs of that shard in ascending order
///     of their ids, damaged ones too, from the first id after the given one. The given id need not
///     exist. The 16 lists together show every acknowledged blob once. The memory that a list needs
///     does not grow with the number of blobs.
///
/// # Dropped futures
///
/// Every future can be dropped at any await point. A dropped `store` or `commit` leaves nothing or
/// the whole blob. Which of the two may be decided after the drop, because work that the operating
/// system or a server already has goes on. A dropped `load` or `download` leaves nothing. No reader
/// ever sees a part of a blob that a dropped future left.
///
/// # Implementing it
///
/// Start with `examples/smallest_backend.rs` of this crate, which passes the conformance suite. The only
/// method with a default is [`noted`](Self::noted): a wrapper that forgets it keeps the contract, and has no notes.
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
    /// Meant for bodies of up to a few MiB that are already in memory. Send larger ones through
    /// [`upload`](Self::upload).
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the id is taken, `Ambiguous` if the outcome cannot be known, `OutOfSpace`,
    /// `TooLarge`, `Unavailable`, and the kinds that an operator must resolve. After every error but
    /// `Ambiguous`, the bytes of this call are not visible and never will be.
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()>;

    /// Begins to store a blob that arrives in chunks.
    ///
    /// Nothing is visible, and the id is not reserved, until [`Upload::commit`]. Of two uploads of
    /// one id, the first to commit wins.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the backend already knows that the id is taken; it may also wait with this
    /// error until the commit. Otherwise as for [`store`](Self::store).
    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>>;

    /// Loads a whole blob into memory.
    ///
    /// If the blob may be large, use [`download`](Self::download), or
    /// [`load_within`](crate::ArtifactBackendExt::load_within), which rejects a blob over the limit
    /// before it reads it.
    ///
    /// # Errors
    ///
    /// `NotFound` (clause 5), `Corrupt` if the stored data is not a whole blob of this backend,
    /// `Unavailable`, and the kinds that an operator must resolve.
    async fn load(&self, id: ArtifactId) -> Result<Bytes>;

    /// Opens a blob for streaming and resolves the range against its size.
    ///
    /// # Errors
    ///
    /// Before the stream: as for [`load`](Self::load), and `InvalidRange` with the size. In the
    /// stream: an error ends it. A stream that ends without an error has delivered every byte;
    /// [`Download`] checks that.
    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download>;

    /// Returns the size and time of one blob without reading its bytes.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    async fn stat(&self, id: ArtifactId) -> Result<BlobStat>;

    /// Returns the same backend for blobs with notes, if it keeps notes. The default is that it does not.
    ///
    /// A wrapper passes it on only if it changes neither ids nor bytes; the layers of `artifact-layers` and `artifact-encryption` do
    /// not. The answer may change while the backend is used.
    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        None
    }
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

            async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
                (**self).stat(id).await
            }

            fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
                (**self).noted()
            }
        }
    };
}

forward!(Arc);
forward!(Box);
