//! Code that runs around every call, written once for all methods.

use std::any::Any;
use std::fmt;
use std::future::{Future, ready};

use artifact_backend::{ArtifactId, BlobList, Download, Operation, Result};

/// One call of a backend or of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The method.
    pub operation: Operation,
    /// The blob, if the call is about one.
    pub id: Option<ArtifactId>,
    /// The number of bytes that the call hands to the backend. Zero, except for stores and writes.
    pub bytes: u64,
}

impl Call {
    pub(crate) fn new(operation: Operation) -> Self {
        Self {
            operation,
            id: None,
            bytes: 0,
        }
    }

    pub(crate) fn of_blob(operation: Operation, id: ArtifactId) -> Self {
        Self {
            operation,
            id: Some(id),
            bytes: 0,
        }
    }

    pub(crate) fn with_bytes(self, bytes: usize) -> Self {
        Self {
            bytes: bytes as u64,
            ..self
        }
    }
}

/// A value that lives as long as an open upload or download, such as a permit.
pub type Held = Option<Box<dyn Any + Send>>;

/// Code that runs around every call of a backend, for layers that treat all methods alike.
///
/// [`Layered`](crate::Layered) calls it for each method of the backend and of its uploads, except
/// [`close`](artifact_backend::ArtifactInventory::close) and
/// [`expect_size`](artifact_backend::Upload::expect_size).
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use artifact_backend::{ArtifactBackend, ArtifactBackendExt, ArtifactId, Result};
/// use artifact_layers::{Call, Intercept, InterceptLayer};
/// use std::sync::Arc;
///
/// #[derive(Debug, Default, Clone)]
/// struct CountErrors(Arc<AtomicU64>);
///
/// impl Intercept for CountErrors {
///     async fn call<T: Send>(
///         &self,
///         _call: Call,
///         next: impl Future<Output = Result<T>> + Send,
///     ) -> Result<T> {
///         let result = next.await;
///         self.0.fetch_add(result.is_err().into(), Ordering::Relaxed);
///         result
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # use artifact_backend_mem::MemBackend;
/// let errors = CountErrors::default();
/// let backend = MemBackend::default().layer(InterceptLayer(errors.clone()));
/// assert!(backend.load(ArtifactId::mint()).await.is_err());
/// assert_eq!(errors.0.load(Ordering::Relaxed), 1);
/// # });
/// ```
pub trait Intercept: fmt::Debug + Send + Sync + 'static {
    /// Runs one call. `next` is the call of the inner backend.
    ///
    /// It awaits `next` once at most. If it returns without having polled `next`, the call had no effect. It
    /// must not turn an error into `Ok`, or [`Ambiguous`](artifact_backend::ErrorKind::Ambiguous) into another
    /// error (clauses 5 and 7 of the contract).
    fn call<T: Send>(
        &self,
        call: Call,
        next: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send;

    /// Runs before the call that opens an upload or a download. The returned value is dropped when the upload
    /// or the stream of the download ends or is dropped, or when the call fails.
    fn open(&self, call: Call) -> impl Future<Output = Held> + Send {
        let _ = call;
        ready(None)
    }

    /// Runs inside the call of a `load` that has returned `bytes` bytes.
    fn loaded(&self, bytes: u64) -> impl Future<Output = ()> + Send {
        let _ = bytes;
        ready(())
    }

    /// Changes the stream of a download, which was opened by a call. It keeps the bytes; see
    /// [`Download::map_stream`].
    fn download(&self, id: ArtifactId, download: Download) -> Download {
        let _ = id;
        download
    }

    /// Changes the stream of a list, which was opened by a call. It keeps the items.
    fn list(&self, list: BlobList) -> BlobList {
        list
    }
}
