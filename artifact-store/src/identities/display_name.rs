//! Names for people to read.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// The name of a worker or of a group, for people to read. It identifies nothing: many may have it.
///
/// 1 to 128 code points in Unicode's normalization form C; none of them a control, surrogate,
/// private-use or unassigned code point; no white space at either end. A name in another form is
/// refused and never changed into one that is allowed.
///
/// ```
/// use artifact_store::DisplayName;
///
/// let name: DisplayName = "Köln 7".parse()?;
/// assert_eq!(name.as_str(), "Köln 7");
/// assert!(" Köln".parse::<DisplayName>().is_err());
/// # Ok::<(), artifact_store::InvalidDisplayName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplayName(Arc<str>);

impl DisplayName {
    /// The greatest length, in code points.
    pub const MAX_CHARS: usize = 128;
    /// The greatest length, in bytes of UTF-8.
    pub const MAX_BYTES: usize = Self::MAX_CHARS * 4;
    /// The group whose members, and the members of groups in it, are administrators of their
    /// experiment.
    pub const ADMINS: &'static str = "admins";
    /// The group of those who run an experiment. Nothing here depends on who is in it.
    pub const ORCHESTRATORS: &'static str = "orchestrators";

    /// The names that no worker may have, letter for letter.
    pub const RESERVED_FOR_WORKERS: [&'static str; 3] = ["admin", "system", "internal"];
    /// The names that no group may have, letter for letter, but the ones that its experiment was
    /// created with.
    pub const RESERVED_FOR_GROUPS: [&'static str; 2] = [Self::ADMINS, Self::ORCHESTRATORS];

    /// One of [`RESERVED_FOR_GROUPS`](Self::RESERVED_FOR_GROUPS).
    pub(super) fn founding(name: &'static str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of [`RESERVED_FOR_WORKERS`](Self::RESERVED_FOR_WORKERS).
    pub fn is_reserved_for_workers(&self) -> bool {
        Self::RESERVED_FOR_WORKERS.contains(&self.as_str())
    }

    /// Whether it is one of [`RESERVED_FOR_GROUPS`](Self::RESERVED_FOR_GROUPS).
    pub fn is_reserved_for_groups(&self) -> bool {
        Self::RESERVED_FOR_GROUPS.contains(&self.as_str())
    }
}

impl FromStr for DisplayName {
    type Err = InvalidDisplayName;

    fn from_str(text: &str) -> Result<Self, InvalidDisplayName> {
        if text.is_empty() {
            return Err(InvalidDisplayName("is empty"));
        }
        // By bytes first, so that a text of megabytes is not walked through.
        if text.len() > Self::MAX_BYTES || text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidDisplayName("has more than 128 code points"));
        }
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            return Err(InvalidDisplayName("begins or ends with white space"));
        }
        // Surrogates are no `char`, so what remains of the four is these.
        let category = CodePointMapData::<GeneralCategory>::new();
        let forbidden = text.chars().any(|c| {
            matches!(
                category.get(c),
                GeneralCategory::Control
                    | GeneralCategory::PrivateUse
                    | GeneralCategory::Unassigned
                    | GeneralCategory::Surrogate
            )
        });
        if forbidden {
            return Err(InvalidDisplayName(
                "has a control, private-use or unassigned code point",
            ));
        }
        if !ComposingNormalizerBorrowed::new_nfc().is_normalized(text) {
            return Err(InvalidDisplayName("is not in normalization form C"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisplayName({:?})", &*self.0)
    }
}

/// A text cannot be a name. The message says which rule it breaks, and does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name {0}; a name is 1 to 128 code points in normalization form C, without control, \
     private-use and unassigned ones, and with no white space at its ends"
)]
pub struct InvalidDisplayName(&'static str);
