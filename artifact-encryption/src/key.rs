//! The secret keys.

use std::fmt;

use artifact_backend::random;
use zeroize::Zeroizing;

/// A secret key of 16 or 32 bytes.
///
/// 16 bytes select Cobblestone-128 (AES-128-GCM), which the specification recommends; 32 bytes select
/// Cobblestone-256 (AES-256-GCM). The bytes must be uniformly random: a password is not a key.
///
/// `Debug` prints the length only. The memory is overwritten when the key is dropped. The slice that the key was made
/// from, and copies that the operating system makes (swap, core dumps, hibernation), are the caller's concern.
///
/// ```
/// use artifact_encryption::EncryptionKey;
///
/// let key = EncryptionKey::from_bytes(&[7; 32])?;
/// assert_eq!(format!("{key:?}"), "EncryptionKey(256 bits)");
/// assert!(EncryptionKey::from_bytes(b"secret").is_err());
/// # Ok::<(), artifact_encryption::InvalidKeyLength>(())
/// ```
// On the heap, so that moving the key leaves no copy behind.
#[derive(Clone)]
pub struct EncryptionKey(Zeroizing<Box<[u8]>>);

impl EncryptionKey {
    /// Creates a key from 16 or 32 secret bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyLength`] for any other number of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKeyLength> {
        match bytes.len() {
            16 | 32 => Ok(Self(Zeroizing::new(bytes.into()))),
            found => Err(InvalidKeyLength { found }),
        }
    }

    /// Creates a key of 32 bytes from the operating system's random source. A program that does not keep it elsewhere
    /// ([`as_bytes`](Self::as_bytes)) loses every blob when it ends.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    #[must_use = "a blob is lost without its key"]
    pub fn generate() -> Self {
        let bytes = Zeroizing::new(random::bytes::<32>());
        Self(Zeroizing::new(bytes.as_slice().into()))
    }

    /// Returns the secret bytes, 16 or 32 of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for EncryptionKey {
    type Error = InvalidKeyLength;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidKeyLength> {
        Self::from_bytes(bytes)
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({} bits)", 8 * self.0.len())
    }
}

/// A key has 16 or 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an encryption key has 16 or 32 random bytes, but {found} bytes were given")]
#[non_exhaustive]
pub struct InvalidKeyLength {
    /// The number of bytes that were given.
    pub found: usize,
}

/// The keys of one backend: one that encrypts new blobs, and any number that only decrypt older ones.
///
/// # Rotation
///
/// A stored blob never changes, so a new key applies to new blobs only. To rotate: make the new key the one for writing, and
/// keep the former key for reading until its last blob is deleted. To re-encrypt all blobs, copy them into another backend. If
/// several processes share a backend, first give each of them the new key for reading, then switch the key for writing.
///
/// The commitment in each blob says which key it belongs to, so the order of the keys for reading does not matter. Each further
/// key costs about two microseconds for a blob of another key.
///
/// ```
/// use artifact_encryption::{EncryptionKey, EncryptionKeys};
///
/// let former = EncryptionKey::from_bytes(&[1; 16])?;
/// let current = EncryptionKey::from_bytes(&[2; 16])?;
/// let keys = EncryptionKeys::new(current).with_key_for_reading(former);
/// assert_eq!(format!("{keys:?}"), "EncryptionKeys(2 keys)");
/// # Ok::<(), artifact_encryption::InvalidKeyLength>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKeys {
    writing: EncryptionKey,
    reading: Vec<EncryptionKey>,
}

impl EncryptionKeys {
    /// Creates a set of one key, which encrypts and decrypts.
    pub fn new(key: EncryptionKey) -> Self {
        Self {
            writing: key,
            reading: Vec::new(),
        }
    }

    /// Adds a key that only decrypts.
    #[must_use = "returns the changed keys"]
    pub fn with_key_for_reading(mut self, key: EncryptionKey) -> Self {
        self.reading.push(key);
        self
    }

    pub(crate) fn writing(&self) -> &EncryptionKey {
        &self.writing
    }

    /// Returns all keys, the one for writing first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &EncryptionKey> {
        std::iter::once(&self.writing).chain(&self.reading)
    }
}

impl From<EncryptionKey> for EncryptionKeys {
    fn from(key: EncryptionKey) -> Self {
        Self::new(key)
    }
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.all().count() {
            1 => f.write_str("EncryptionKeys(1 key)"),
            count => write!(f, "EncryptionKeys({count} keys)"),
        }
    }
}
