//! The key of a deposit.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::uploads::UploadId;

/// A text with which a depositor marks a deposit, so that it can be repeated when its answer was lost; see
/// [`NewArtifact::with_idempotency_key`](crate::NewArtifact::with_idempotency_key).
///
/// 1 to 255 bytes of printable ASCII, space to `~`. Keys are compared byte for byte. A depositor makes each key at random
/// (128 bits, for example a UUID): one that is used again for another deposit is an error.
///
/// ```
/// use artifact_store::IdempotencyKey;
///
/// let key: IdempotencyKey = "8e03978e-40d5-43e8-bc93-6894a57f9324".parse()?;
/// assert_eq!(key.as_str(), "8e03978e-40d5-43e8-bc93-6894a57f9324");
/// for text in ["", "two\nlines", "caf\u{e9}", &"x".repeat(256)] {
///     assert!(text.parse::<IdempotencyKey>().is_err());
/// }
/// # Ok::<(), artifact_store::InvalidIdempotencyKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = 255;

    /// How long a catalog keeps a key after the row was written: 24 hours, by the clock of the database. After that the
    /// key is free again.
    pub const KEPT_FOR: Duration = Duration::from_hours(24);

    /// Returns the key with which an upload becomes an artifact. It has a character that no parsed key has.
    pub(crate) fn of_upload(id: UploadId) -> Self {
        Self(format!("\u{7f}upload {id}").into())
    }

    /// Returns the key that a note has as text, also one of an upload.
    pub(crate) fn of_note(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        let is_printed = text.bytes().all(|byte| matches!(byte, b' '..=0x7f));
        (fits && is_printed).then(|| Self(text.into()))
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let length_fits = (1..=Self::MAX_LEN).contains(&text.len());
        if length_fits && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidIdempotencyKey(()))
        }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({:?})", &*self.0)
    }
}

/// The error for a text that is not an idempotency key. Its message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 255 printable ASCII characters")]
pub struct InvalidIdempotencyKey(());
