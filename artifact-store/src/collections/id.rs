//! The opaque ids of collections.

use std::fmt;
use std::str::FromStr;

use artifact_backend::random;

/// The id of a collection: `^col_[0-9a-f]{32}$`. Each id has exactly one text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId([u8; Self::BYTES]);

impl CollectionId {
    /// The prefix of the text.
    pub const PREFIX: &'static str = "col_";
    /// The number of bytes.
    pub const BYTES: usize = 16;

    /// Creates a fresh id of 128 bits from the operating system's random source.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    #[must_use = "a fresh id has no effect until a collection is created under it"]
    pub fn mint() -> Self {
        Self(random::bytes())
    }

    /// Creates an id from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl FromStr for CollectionId {
    type Err = InvalidCollectionId;

    fn from_str(text: &str) -> Result<Self, InvalidCollectionId> {
        let digits = text.strip_prefix(Self::PREFIX);
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = digits
            .filter(|digits| digits.len() == 2 * Self::BYTES && digits.bytes().all(is_digit))
            .ok_or(InvalidCollectionId(()))?;
        let number = u128::from_str_radix(digits, 16).map_err(|_| InvalidCollectionId(()))?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:032x}", Self::PREFIX, u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionId({self})")
    }
}

/// The error for a text that is not the id of a collection. Its message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a collection is \"col_\" and 32 of the characters 0-9 a-f")]
pub struct InvalidCollectionId(pub(super) ());
