//! The trait of everything that wraps a backend.

use crate::backend::ArtifactBackend;

/// A decoration of backends of type `B`, such as a retry, a time-out or a cache.
///
/// The layered backend keeps the contract of [`ArtifactBackend`], and offers
/// [`ArtifactInventory`](crate::ArtifactInventory) if `B` does.
/// [`ArtifactBackendExt::layer`](crate::ArtifactBackendExt::layer) applies a layer in one line, also to an
/// `Arc<dyn ArtifactInventory>`. Of two layers, the one applied last gets each call first.
///
/// Layers for common needs are in `artifact-layers`. [`forward!`](crate::forward) makes an own layer short:
///
/// ```
/// use artifact_backend::{
///     ArtifactBackend, ArtifactBackendExt, ArtifactId, ByteRange, Download, Error, ErrorKind, Layer,
///     Operation, Result, Upload, forward,
/// };
/// use async_trait::async_trait;
/// use bytes::Bytes;
///
/// /// Rejects everything that would change the backend.
/// #[derive(Debug, Clone)]
/// struct ReadOnly;
///
/// #[derive(Debug)]
/// struct ReadOnlyBackend<B>(B);
///
/// impl<B: ArtifactBackend> Layer<B> for ReadOnly {
///     type Backend = ReadOnlyBackend<B>;
///
///     fn layer(&self, inner: B) -> Self::Backend {
///         ReadOnlyBackend(inner)
///     }
/// }
///
/// #[async_trait]
/// impl<B: ArtifactBackend> ArtifactBackend for ReadOnlyBackend<B> {
///     forward!(0 => load, download, stat);
///
///     async fn store(&self, id: ArtifactId, _bytes: Bytes) -> Result<()> {
///         Err(Error::new(ErrorKind::Unsupported, Operation::Store).with_id(id))
///     }
///
///     async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
///         Err(Error::new(ErrorKind::Unsupported, Operation::Upload).with_id(id))
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # use artifact_backend_mem::MemBackend;
/// let backend = MemBackend::default();
/// let id = ArtifactId::mint();
/// backend.store(id, Bytes::from_static(b"abc")).await.unwrap();
/// let backend = backend.layer(ReadOnly);
/// assert_eq!(backend.load(id).await.unwrap(), "abc");
/// let refused = backend.store(ArtifactId::mint(), Bytes::new()).await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::Unsupported);
/// # });
/// ```
///
/// An upload that waits before it calls the inner upload must break itself when its future is dropped there,
/// because the inner upload then has not seen the chunk (see [`Upload`](crate::Upload)).
pub trait Layer<B> {
    /// The layered backend.
    type Backend: ArtifactBackend;

    /// Wraps a backend.
    fn layer(&self, inner: B) -> Self::Backend;
}
