//! Notes: a few bytes that become durable together with their blob.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::error::Result;
use crate::id::ArtifactId;
use crate::upload::Upload;

/// The greatest length of a note in bytes.
pub const MAX_NOTE_BYTES: usize = 4096;

/// A backend that keeps a note with a blob: up to [`MAX_NOTE_BYTES`] bytes that the caller chooses and the backend never looks
/// at. [`ArtifactBackend::noted`](crate::ArtifactBackend::noted) returns it.
///
/// A program that keeps records about blobs elsewhere, such as rows in a database, writes the record as the note. Blob and record
/// are then durable in one step, and a lost record is found again by [`NoteLog::replay`].
///
/// # The contract of notes
///
/// Each clause has cases in `artifact-backend-conformance`, in the group `noted`.
///
/// 1. A blob with a note is a blob: all clauses of [`ArtifactBackend`](crate::ArtifactBackend) hold for it. No other method returns its
///    note.
/// 2. `Ok` means that the blob and its note are durable, both. There is never a note without its blob, after a dropped future or
///    a crash either: a replay shows the two or neither.
/// 3. A replay returns the note as it was stored, byte for byte. It also shows blobs that were stored without a note.
/// 4. A replay after a position shows at least everything that became durable since, and events of one id in the order in which
///    they happened. It may show events again that are older, for example of blobs that were moved meanwhile.
/// 5. A replay shows the deletion of each blob that it shows, if the blob was deleted, and never forgets one: so a record that is
///    older than the deletion ends, however old it is.
///
/// ```
/// use artifact_backend::{ArtifactBackend, ArtifactId, Result};
/// use bytes::Bytes;
///
/// /// Stores bytes with a record about them, if the backend keeps notes. Returns whether the record must be kept elsewhere.
/// async fn store(
///     backend: &dyn ArtifactBackend,
///     id: ArtifactId,
///     bytes: Bytes,
///     record: Bytes,
/// ) -> Result<bool> {
///     match backend.noted() {
///         Some(noted) => noted.store_noted(id, bytes, record).await.map(|()| false),
///         None => backend.store(id, bytes).await.map(|()| true),
///     }
/// }
/// ```
#[async_trait]
pub trait NotedBackend: Debug + Send + Sync + 'static {
    /// Stores a whole blob with a note, as [`store`](crate::ArtifactBackend::store) does. An empty note counts as no note.
    ///
    /// A dropped future leaves nothing, or the blob with its note.
    ///
    /// # Errors
    ///
    /// `TooLarge` if the note has more than [`MAX_NOTE_BYTES`] bytes. `Unsupported` if the backend keeps no notes now; nothing was
    /// stored then. Otherwise those of [`store`](crate::ArtifactBackend::store).
    async fn store_noted(&self, id: ArtifactId, bytes: Bytes, note: Bytes) -> Result<()>;

    /// Begins to store a blob that arrives in chunks, as [`upload`](crate::ArtifactBackend::upload) does.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the backend keeps no notes now. Otherwise those of [`upload`](crate::ArtifactBackend::upload).
    async fn upload_noted(&self, id: ArtifactId) -> Result<Box<dyn NotedUpload>>;
}

/// An upload that can end with a note.
#[async_trait]
#[must_use = "an upload that is dropped publishes nothing; call commit or commit_noted"]
pub trait NotedUpload: Upload {
    /// Publishes the written bytes with a note, as [`commit`](Upload::commit) does without one. An empty note counts as no note.
    ///
    /// A dropped future leaves nothing, or the blob with its note.
    ///
    /// # Errors
    ///
    /// `TooLarge` if the note has more than [`MAX_NOTE_BYTES`] bytes; nothing is published then. Otherwise those of
    /// [`commit`](Upload::commit).
    async fn commit_noted(self: Box<Self>, note: Bytes) -> Result<()>;
}

/// Reads the notes again, in the order in which they became durable. For maintenance: it shows all ids.
/// [`ArtifactInventory::note_log`](crate::ArtifactInventory::note_log) returns it.
#[async_trait]
pub trait NoteLog: Debug + Send + Sync + 'static {
    /// Returns whether a blob may ever have been stored with a note. `false` saves a replay that would show none. Does no I/O.
    fn has_notes(&self) -> bool;

    /// Returns the position behind everything that is durable now. What becomes durable later is behind it.
    ///
    /// # Errors
    ///
    /// `Unavailable`, and the kinds that an operator must resolve.
    async fn position(&self) -> Result<NotePosition>;

    /// Reads all events after a position, up to the position of this moment. `None` stands for the beginning.
    ///
    /// A position that this storage does not know (any more) stands for the beginning too:
    /// [`NoteReplay::from_beginning`] says so. The memory that it needs does not grow with the number of events.
    ///
    /// # Errors
    ///
    /// `Unavailable`, and the kinds that an operator must resolve. In the stream: an error of the kind `Corrupt` that carries an id
    /// ([`Error::damaged_blob`](crate::Error::damaged_blob)) is a damaged note, and the stream goes on. One of the kind `Corrupt`
    /// without an id says that events are lost, and the stream goes on with those behind them. Any other error ends it.
    async fn replay(&self, after: Option<NotePosition>) -> Result<NoteReplay>;
}

/// A position in a [`NoteLog`], for one storage. It stays valid across restarts of the program.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NotePosition([u8; Self::BYTES]);

impl NotePosition {
    /// The length of a position in bytes.
    pub const BYTES: usize = 16;

    /// Creates a position from what [`as_bytes`](Self::as_bytes) has returned; for backends, and for programs that have kept it.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the position as bytes, for keeping it. Only the backend knows what they mean.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl Debug for NotePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotePosition({:032x})", u128::from_be_bytes(self.0))
    }
}

/// The events of a [`NoteLog::replay`].
pub type NoteEvents = BoxStream<'static, Result<NoteEvent>>;

/// A replay that has begun.
#[non_exhaustive]
pub struct NoteReplay {
    /// Whether it begins at the beginning, because no position was given or the storage does not know it.
    pub from_beginning: bool,
    /// The position behind the last event.
    pub end: NotePosition,
    /// The events.
    pub events: NoteEvents,
}

impl NoteReplay {
    /// Creates a replay; for backends.
    pub fn new(from_beginning: bool, end: NotePosition, events: NoteEvents) -> Self {
        Self {
            from_beginning,
            end,
            events,
        }
    }
}

impl Debug for NoteReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteReplay")
            .field("from_beginning", &self.from_beginning)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// One event of a [`NoteLog::replay`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteEvent {
    /// A blob was stored. It may have been deleted since.
    Stored {
        /// The id of the blob.
        id: ArtifactId,
        /// The size of the blob in bytes.
        size: u64,
        /// Its note, if it was stored with one.
        note: Option<Bytes>,
    },
    /// A blob was deleted.
    Deleted {
        /// The id of the blob.
        id: ArtifactId,
    },
}
