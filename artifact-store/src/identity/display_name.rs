//! Names for people.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// The name of a worker or of a group, for people. It is not unique.
///
/// 1 to 128 code points in Unicode's normalization form C; none of them a control, surrogate,
/// private-use or unassigned code point; no white space at either end. Other names are rejected,
/// never converted.
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
    /// The maximum length in code points.
    pub const MAX_CHARS: usize = 128;
    /// The maximum length in bytes of UTF-8.
    pub const MAX_BYTES: usize = Self::MAX_CHARS * 4;
    /// The name of the group whose direct and nested members are administrators of their
    /// experiment.
    pub const ADMINS: &'static str = "admins";
    /// The name of the group of those who run an experiment. Membership has no effect here.
    pub const ORCHESTRATORS: &'static str = "orchestrators";

    /// The names that no worker may have, compared letter for letter.
    pub const RESERVED_FOR_WORKERS: [&'static str; 3] = ["admin", "system", "internal"];
    /// The names that no group may have, compared letter for letter, except the groups that the
    /// experiment was created with.
    pub const RESERVED_FOR_GROUPS: [&'static str; 2] = [Self::ADMINS, Self::ORCHESTRATORS];

    /// Creates one of [`RESERVED_FOR_GROUPS`](Self::RESERVED_FOR_GROUPS).
    pub(super) fn founding(name: &'static str) -> Self {
        Self(name.into())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it is one of [`RESERVED_FOR_WORKERS`](Self::RESERVED_FOR_WORKERS).
    pub fn is_reserved_for_workers(&self) -> bool {
        Self::RESERVED_FOR_WORKERS.contains(&self.as_str())
    }

    /// Returns whether it is one of [`RESERVED_FOR_GROUPS`](Self::RESERVED_FOR_GROUPS).
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
        // The cheap check of the bytes first: counting the code points reads the whole text.
        if text.len() > Self::MAX_BYTES || text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidDisplayName("has more than 128 code points"));
        }
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            return Err(InvalidDisplayName("begins or ends with white space"));
        }
        // A `char` is never a surrogate; the category is listed for completeness.
        let category = CodePointMapData::<GeneralCategory>::new();
        let is_forbidden = text.chars().any(|c| {
            matches!(
                category.get(c),
                GeneralCategory::Control
                    | GeneralCategory::PrivateUse
                    | GeneralCategory::Unassigned
                    | GeneralCategory::Surrogate
            )
        });
        if is_forbidden {
            return Err(InvalidDisplayName(
                "contains a control, private-use or unassigned code point",
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

/// The error for a text that is not a name. Its message says which rule the text breaks, and does
/// not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name {0}; a name is 1 to 128 code points in normalization form C, without control, \
     private-use and unassigned code points, and without white space at its ends"
)]
pub struct InvalidDisplayName(&'static str);
