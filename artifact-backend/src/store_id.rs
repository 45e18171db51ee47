//! The id of a store, which its database and its backend both keep.

use std::fmt;
use std::str::FromStr;

use crate::{hex, random};

/// The id of one store: 128 random bits, written as `store-` and 32 lower-case hexadecimal digits.
///
/// A store has two halves: a database with rows, and a backend with blobs. Both keep the same store
/// id, so that a server notices at its start if one half is missing or belongs to another store.
///
/// It is a name, not a secret. Its text is never the text of an [`ArtifactId`](crate::ArtifactId), so
/// a client that guesses it cannot read or delete it.
///
/// ```
/// use artifact_backend::{ArtifactId, StoreId};
///
/// let id: StoreId = "store-00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(id.to_string(), "store-00112233445566778899aabbccddeeff");
/// assert!(id.to_string().parse::<ArtifactId>().is_err());
/// # Ok::<(), artifact_backend::ParseStoreIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId([u8; Self::BYTES]);

impl StoreId {
    /// The length of the binary form in bytes.
    pub const BYTES: usize = 16;
    /// The length of the text form in bytes, all of them ASCII.
    pub const TEXT_LEN: usize = PREFIX.len() + 2 * Self::BYTES;

    /// Creates an id of 128 random bits from the operating system's random source.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    #[must_use = "an id is useful only if a store keeps it"]
    pub fn mint() -> Self {
        Self(random::bytes())
    }

    /// Creates an id from its 16 bytes, most significant digit first.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the 16 bytes, most significant digit first.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Returns the content of the file or object in which a backend keeps the id: the text and a line
    /// feed.
    pub fn to_line(&self) -> String {
        format!("{self}\n")
    }

    /// Parses what [`to_line`](Self::to_line) returned. Bytes that are not UTF-8 are an error too.
    ///
    /// # Errors
    ///
    /// [`ParseStoreIdError`] if the bytes are not exactly one id and a line feed.
    pub fn from_line(line: &[u8]) -> Result<Self, ParseStoreIdError> {
        let digits = line
            .strip_suffix(b"\n")
            .and_then(|text| text.strip_prefix(PREFIX.as_bytes()))
            .ok_or(ParseStoreIdError(()))?;
        Self::from_digits(digits)
    }

    fn from_digits(digits: &[u8]) -> Result<Self, ParseStoreIdError> {
        hex::decode(digits)
            .map(Self)
            .map_err(|_| ParseStoreIdError(()))
    }
}

/// The beginning of the text form. No artifact id contains these letters.
const PREFIX: &str = "store-";

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 2 * Self::BYTES];
        f.pad(&[PREFIX, hex::encode(&self.0, &mut digits)].concat())
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

impl FromStr for StoreId {
    type Err = ParseStoreIdError;

    fn from_str(text: &str) -> Result<Self, ParseStoreIdError> {
        let digits = text.strip_prefix(PREFIX).ok_or(ParseStoreIdError(()))?;
        Self::from_digits(digits.as_bytes())
    }
}

/// The text is not a [`StoreId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a store id is store- and exactly 32 lower-case hexadecimal digits")]
pub struct ParseStoreIdError(());
