//! The SHA-256 digest of a blob.

use std::fmt;
use std::str::FromStr;

use crate::hex;

/// The SHA-256 digest of a blob (FIPS 180-4).
///
/// This crate does not compute it. The text form is 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; Self::BYTES]);

impl Sha256Digest {
    /// The length of the binary form in bytes.
    pub const BYTES: usize = 32;

    /// Creates a digest from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(hex::encode(&self.0, &mut [0; Self::BYTES * 2]))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

impl FromStr for Sha256Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        hex::decode(text.as_bytes())
            .map(Self)
            .map_err(|_| ParseDigestError(()))
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest has exactly 64 lower-case hexadecimal digits")]
pub struct ParseDigestError(());
