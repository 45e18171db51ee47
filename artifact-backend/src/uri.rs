//! The opaque URI that clients hold: a fixed prefix and an id.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::id::{ArtifactId, ParseIdError};

/// The text before the id in every URI of one deployment; `eden://artifacts/` by default.
///
/// A prefix is 1 to 200 bytes of visible ASCII (0x21 to 0x7e) and ends in `/`. The slash is not a
/// hexadecimal digit, so it is always clear where the id begins.
///
/// ```
/// use artifact_backend::{ArtifactId, UriPrefix};
///
/// let prefix = UriPrefix::new("blob://example/")?;
/// let uri = prefix.uri(ArtifactId::from_bytes([0xab; 16]));
/// assert_eq!(uri.to_string(), "blob://example/abababababababababababababababab");
/// assert_eq!(prefix.parse(&uri.to_string())?, uri);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UriPrefix(Arc<str>);

impl UriPrefix {
    /// The default prefix.
    pub const DEFAULT: &'static str = "eden://artifacts/";
    /// The greatest length of a prefix in bytes.
    pub const MAX_LEN: usize = 200;

    /// Creates a prefix from text.
    ///
    /// # Errors
    ///
    /// [`InvalidUriPrefix`] if the text breaks the rule.
    pub fn new(prefix: &str) -> Result<Self, InvalidUriPrefix> {
        let visible = prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && prefix.ends_with('/') && prefix.len() <= Self::MAX_LEN {
            Ok(Self(prefix.into()))
        } else {
            Err(InvalidUriPrefix(()))
        }
    }

    /// Returns the prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the URI of `id` under this prefix.
    pub fn uri(&self, id: ArtifactId) -> ArtifactUri {
        ArtifactUri {
            prefix: self.clone(),
            id,
        }
    }

    /// Parses a URI with this prefix, byte for byte. Nothing is decoded, trimmed or folded, because
    /// this deployment never issued a URI that needs it.
    ///
    /// # Errors
    ///
    /// [`ParseUriError::Prefix`] if the text does not begin with the prefix, [`ParseUriError::Id`]
    /// if the rest is not an id.
    pub fn parse(&self, text: &str) -> Result<ArtifactUri, ParseUriError> {
        let id = text
            .strip_prefix(self.as_str())
            .ok_or(ParseUriError::Prefix)?;
        Ok(self.uri(id.parse()?))
    }
}

impl Default for UriPrefix {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for UriPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for UriPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UriPrefix({self})")
    }
}

impl FromStr for UriPrefix {
    type Err = InvalidUriPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidUriPrefix> {
        Self::new(text)
    }
}

/// The URI of one artifact: a [`UriPrefix`] and an [`ArtifactId`].
///
/// `FromStr` expects the default prefix. [`UriPrefix::parse`] accepts any other.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactUri {
    prefix: UriPrefix,
    id: ArtifactId,
}

impl ArtifactUri {
    /// Returns the id in this URI.
    pub fn id(&self) -> ArtifactId {
        self.id
    }

    /// Returns the prefix of this URI.
    pub fn prefix(&self) -> &UriPrefix {
        &self.prefix
    }
}

impl fmt::Display for ArtifactUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.id)
    }
}

impl fmt::Debug for ArtifactUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArtifactUri({self})")
    }
}

impl FromStr for ArtifactUri {
    type Err = ParseUriError;

    fn from_str(text: &str) -> Result<Self, ParseUriError> {
        UriPrefix::default().parse(text)
    }
}

/// Why a text is not an artifact URI of this deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseUriError {
    /// The text does not begin with the prefix.
    #[error("the URI does not begin with this deployment's prefix")]
    Prefix,
    /// The text after the prefix is not an id.
    #[error("the text after the prefix is not an artifact id")]
    Id(#[from] ParseIdError),
}

/// The text cannot be a URI prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a URI prefix is 1 to 200 bytes of visible ASCII and ends in '/', such as eden://artifacts/"
)]
pub struct InvalidUriPrefix(());
