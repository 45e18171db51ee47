//! The opaque id, the only name that a backend ever gets.

use std::fmt;
use std::str::FromStr;

use faster_hex::Error as HexError;

use crate::{hex, random};

/// The opaque name of one blob: 128 bits, written as exactly 32 lower-case hexadecimal digits.
///
/// It is the only name that a backend ever gets. Its alphabet is `[0-9a-f]`, so no character that a
/// client chose reaches a path, an object key or a query. Each id has exactly one text. It parses
/// and prints without allocation.
///
/// ```
/// use artifact_backend::ArtifactId;
///
/// let id: ArtifactId = "00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(id.to_string(), "00112233445566778899aabbccddeeff");
/// assert!("00112233445566778899AABBCCDDEEFF".parse::<ArtifactId>().is_err());
/// # Ok::<(), artifact_backend::ParseIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ArtifactId([u8; Self::BYTES]);

impl ArtifactId {
    /// The length of the binary form in bytes.
    pub const BYTES: usize = 16;
    /// The length of the text form in bytes, all of them ASCII.
    pub const TEXT_LEN: usize = 32;

    /// Creates an id of 128 random bits from the operating system's random source.
    ///
    /// Nothing in it comes from the time, a counter or the content, so it cannot be guessed from
    /// another id. Two ids are equal with probability 2⁻¹²⁸; even then
    /// [`ArtifactBackend::store`] rejects the second.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    ///
    /// [`ArtifactBackend::store`]: crate::ArtifactBackend::store
    #[must_use = "an id is useful only if something is stored under it"]
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

    /// Parses the text form from bytes that need not be UTF-8, such as a directory entry's name.
    ///
    /// # Errors
    ///
    /// The first rule that the text breaks, and where.
    pub fn from_ascii(text: &[u8]) -> Result<Self, ParseIdError> {
        hex::decode(text).map(Self).map_err(|error| match error {
            HexError::InvalidChar { index, byte, .. } => match byte {
                b'A'..=b'F' => ParseIdError::UpperCase { at: index },
                _ => ParseIdError::NotHex { at: index, byte },
            },
            _ => ParseIdError::Length { found: text.len() },
        })
    }

    /// Writes the text form into `buffer` and returns it as text, without allocation.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; Self::TEXT_LEN]) -> &'b str {
        hex::encode(&self.0, buffer)
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; Self::TEXT_LEN]))
    }
}

impl fmt::Debug for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArtifactId({self})")
    }
}

impl FromStr for ArtifactId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Self::from_ascii(text.as_bytes())
    }
}

/// Why a text is not an [`ArtifactId`]: the rule that it breaks, and where.
///
/// The message never repeats the text, because a client may have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The text is not 32 bytes long.
    #[error("an artifact id has exactly 32 hexadecimal digits, but this text has {found} bytes")]
    Length {
        /// The length of the text in bytes.
        found: usize,
    },
    /// A digit is `A` to `F`. Upper case is rejected, so that each id has one text.
    #[error("an artifact id has lower-case digits only, but byte {at} is in upper case")]
    UpperCase {
        /// The offset of the digit in bytes, from 0.
        at: usize,
    },
    /// A byte is not a hexadecimal digit.
    #[error("an artifact id has the digits 0-9 and a-f only, but byte {at} is 0x{byte:02x}")]
    NotHex {
        /// The offset of the byte, from 0.
        at: usize,
        /// The byte at that offset.
        byte: u8,
    },
}
