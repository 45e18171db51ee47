//! What the error types of this workspace have in common. Not part of the public API.
//!
//! Each crate keeps an opaque `Error(Box<ErrorRepr<..>>)` with its own kinds, operations and
//! context. The box keeps a `Result` one pointer wide.

use std::borrow::Cow;
use std::fmt;

use crate::error::BoxError;
use crate::id::ArtifactId;

/// The fields of an error of kind `K` in operation `O`, with context `C`.
pub struct ErrorRepr<K, O, C = BlobContext> {
    /// What the caller does next.
    pub kind: K,
    /// The operation that failed.
    pub operation: O,
    /// What else the caller can ask the error for.
    pub context: C,
    /// What happened or what to do about it, as a sentence; may be empty.
    pub detail: Cow<'static, str>,
    /// The error below.
    pub source: Option<BoxError>,
}

/// Which blob an error is about, and whether the call has used up its time.
#[derive(Clone, Copy, Default)]
pub struct BlobContext {
    /// The id of the blob.
    pub id: Option<ArtifactId>,
    /// The size of the blob in bytes, if a range did not fit it.
    pub blob_size: Option<u64>,
    /// Whether the backend retried until a deadline.
    pub timed_out: bool,
}

impl<K, O, C: Default> ErrorRepr<K, O, C> {
    /// Creates an error with an empty context, no detail and no source.
    pub fn new(kind: K, operation: O) -> Box<Self> {
        Box::new(Self {
            kind,
            operation,
            context: C::default(),
            detail: Cow::Borrowed(""),
            source: None,
        })
    }
}

impl<K, O, C> ErrorRepr<K, O, C> {
    /// Returns the source as [`std::error::Error::source`] wants it.
    pub fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl<K: fmt::Display, O: fmt::Display> fmt::Display for ErrorRepr<K, O, BlobContext> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(id) = self.context.id {
            write!(f, " of artifact {id}")?;
        }
        write!(f, ": {}", self.kind)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl fmt::Debug for BlobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut context = f.debug_struct("BlobContext");
        context
            .field("id", &self.id)
            .field("blob_size", &self.blob_size);
        if self.timed_out {
            context.field("timed_out", &true);
        }
        context.finish()
    }
}

impl<K: fmt::Debug, O: fmt::Debug, C: fmt::Debug> fmt::Debug for ErrorRepr<K, O, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("operation", &self.operation)
            .field("context", &self.context)
            .field("detail", &self.detail)
            .field("source", &self.source)
            .finish()
    }
}
