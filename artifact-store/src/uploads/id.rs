//! The id of an upload session.

use std::fmt;
use std::str::FromStr;

use artifact_backend::ArtifactId;

/// Names an upload session: 128 random bits, which print as `[0-9a-f]{32}`. It is not the id of the artifact that the
/// upload becomes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId([u8; 16]);

impl UploadId {
    /// Creates a random id.
    ///
    /// # Panics
    ///
    /// If the operating system has no random source.
    #[must_use = "an id is useful only for an upload"]
    pub fn mint() -> Self {
        Self(*ArtifactId::mint().as_bytes())
    }

    /// Returns the id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, InvalidUploadId> {
        let id: ArtifactId = text.parse().map_err(|_| InvalidUploadId(()))?;
        Ok(Self(*id.as_bytes()))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&ArtifactId::from_bytes(self.0), f)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadId({self})")
    }
}

/// The error for a text that is not the id of an upload. Its message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of an upload has exactly 32 hexadecimal digits in lower case")]
pub struct InvalidUploadId(());
