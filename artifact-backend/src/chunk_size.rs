//! The size of a download's chunks, as its reader wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The size in bytes of the chunks of one [`Download`](crate::Download). Clones share it.
///
/// A backend that allocates a buffer for each chunk creates one, passes a clone on by
/// [`Download::with_chunk_size`](crate::Download::with_chunk_size), and reads it before it allocates.
/// The reader of the download can then change the size of the chunks that are not read yet, so that many
/// slow readers need little memory.
///
/// ```
/// use artifact_backend::ChunkSize;
///
/// let size = ChunkSize::new(512 << 10);
/// size.clone().set(16 << 10);
/// assert_eq!(size.get(), 16 << 10);
/// size.set(0);
/// assert_eq!(size.get(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct ChunkSize(Arc<AtomicUsize>);

impl ChunkSize {
    /// Creates a size that the reader has not changed, in bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes.max(1))))
    }

    /// Returns the maximum size of the next chunk in bytes, at least 1.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the maximum size of the chunks that are not read yet, in bytes. 0 becomes 1.
    pub fn set(&self, bytes: usize) {
        self.0.store(bytes.max(1), Ordering::Relaxed);
    }
}
