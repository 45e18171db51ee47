//! The secret of a link, and its digest.

use std::fmt;
use std::str::FromStr;

use artifact_backend::{Sha256Digest, random};
use sha2::{Digest as _, Sha256};

/// The secret of a link: 256 random bits, as text 64 digits of hexadecimal in lower case.
///
/// A database stores only the SHA-256 of the bits. There is no `Display`, and `Debug` does not show the secret.
///
/// ```
/// use artifact_store::LinkSecret;
///
/// let secret = LinkSecret::mint();
/// assert_eq!(secret.expose().parse::<LinkSecret>().map(|same| same.expose()), Ok(secret.expose()));
/// assert_eq!(format!("{secret:?}"), "LinkSecret(..)");
/// ```
#[derive(Clone)]
pub struct LinkSecret([u8; LinkSecret::BYTES]);

impl LinkSecret {
    const BYTES: usize = 32;

    /// Creates a fresh secret from the operating system's random source.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    #[must_use = "a fresh secret has no effect until a link is made with it"]
    pub fn mint() -> Self {
        Self(random::bytes())
    }

    /// Returns the secret as text. Give it only to who may use the link.
    pub fn expose(&self) -> String {
        // The text of a digest is hexadecimal too.
        Sha256Digest::from_bytes(self.0).to_string()
    }

    /// Returns the digest under which a database finds the link. It does not lead back to the secret, and a look-up by it
    /// takes no longer for a guess that is almost right.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::from_bytes(Sha256::digest(self.0).into())
    }
}

impl FromStr for LinkSecret {
    type Err = InvalidLinkSecret;

    fn from_str(text: &str) -> Result<Self, InvalidLinkSecret> {
        let parsed = text.parse::<Sha256Digest>();
        let bytes = parsed.map_err(|_| InvalidLinkSecret(()))?;
        Ok(Self(*bytes.as_bytes()))
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(..)")
    }
}

/// The error for a text that is not the secret of a link. Its message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret of a link is 64 of the characters 0-9 a-f")]
pub struct InvalidLinkSecret(());
