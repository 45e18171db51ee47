//! The opaque URI that clients hold: a fixed prefix and an id, compared letter for letter.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::id::{ArtifactId, ParseIdError};

/// What stands before the id in every URI of one deployment; `eden://artifacts/` by default.
///
/// A prefix is 1 to 200 bytes of visible ASCII (0x21 to 0x7e) that ends in `/`. It never ends in a
/// hexadecimal digit, so where it ends and the id begins cannot be misread.
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
    /// The prefix of a deployment that sets none.
    pub const DEFAULT: &'static str = "eden://artifacts/";
    /// The greatest length of a prefix, in bytes.
    pub const MAX_LEN: usize = 200;

    /// Checks a prefix.
    ///
    /// # Errors
    ///
    /// [`InvalidUriPrefix`], which says the rule, when the text breaks it.
    pub fn new(prefix: &str) -> Result<Self, InvalidUriPrefix> {
        let visible = prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && prefix.ends_with('/') && prefix.len() <= Self::MAX_LEN {
            Ok(Self(prefix.into()))
        } else {
            Err(InvalidUriPrefix(()))
        }
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI of `id` under this prefix.
    pub fn uri(&self, id: ArtifactId) -> ArtifactUri {
        ArtifactUri {
            prefix: self.clone(),
            id,
        }
    }

    /// Parses a URI of this prefix, letter for letter: nothing is decoded, trimmed or folded, since
    /// a text that needs any of that is not one that we handed out.
    ///
    /// # Errors
    ///
    /// [`ParseUriError::Prefix`] when it begins otherwise, [`ParseUriError::Id`] when what follows
    /// is no id.
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
/// `FromStr` takes the default prefix; [`UriPrefix::parse`] takes any.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ArtifactUri {
    prefix: UriPrefix,
    id: ArtifactId,
}

impl ArtifactUri {
    /// The id in this URI.
    pub fn id(&self) -> ArtifactId {
        self.id
    }

    /// The prefix of this URI.
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

/// Why a text is not the URI of an artifact of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseUriError {
    /// The text does not begin with the prefix, letter for letter.
    #[error("the URI does not begin with this deployment's prefix")]
    Prefix,
    /// What follows the prefix is no id.
    #[error("what follows the prefix is not an artifact id")]
    Id(#[from] ParseIdError),
}

/// A text cannot be the prefix of URIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a URI prefix is 1 to 200 bytes of visible ASCII and ends in '/', as in eden://artifacts/")]
pub struct InvalidUriPrefix(());

#[cfg(feature = "serde")]
mod serde_impl {
    use serde::ser::{Serialize, Serializer};

    use super::ArtifactUri;

    // There is no `Deserialize`: which prefix is ours is known to the deployment, not to the text.
    impl Serialize for ArtifactUri {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }
}
