//! The secret of a log, and the salts that are derived from it.

use std::fmt;
use std::str::FromStr;

use artifact_backend::ArtifactId;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

use crate::error::ReceiptError;

/// What keeps the salt of one log from being that of another use of its secret.
const PURPOSE: &[u8] = b"artifact receipt salt v1\n";

/// The secret of a log: 32 random bytes, from which the salt of each entry is derived. It belongs to the log, not to a key: it never
/// changes. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct LogSecret([u8; 32]);

impl LogSecret {
    /// Makes a secret of its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, which are secret.
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the salt of an artifact: the first half of the HMAC-SHA-256 of its id.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes keys of any length.
    pub fn salt(&self, id: ArtifactId) -> Salt {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0);
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(PURPOSE);
        mac.update(id.as_bytes());
        let mut salt = [0; Salt::BYTES];
        salt.copy_from_slice(&mac.finalize().into_bytes()[..Salt::BYTES]);
        Salt(salt)
    }
}

impl Drop for LogSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for LogSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSecret").finish_non_exhaustive()
    }
}

/// The salt of an entry, which keeps its hash from being guessed. It is part of the receipt. Prints as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; Self::BYTES]);

impl Salt {
    /// The length in bytes.
    pub const BYTES: usize = 16;
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 2 * Self::BYTES];
        let text = base16ct::lower::encode_str(&self.0, &mut text);
        f.write_str(text.expect("all digits have room"))
    }
}

impl FromStr for Salt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let mut salt = [0; Self::BYTES];
        match base16ct::lower::decode(text, &mut salt) {
            Ok(decoded) if decoded.len() == Self::BYTES => Ok(Self(salt)),
            _ => Err(ReceiptError::malformed(
                "a salt has 32 lower-case hexadecimal digits",
            )),
        }
    }
}
