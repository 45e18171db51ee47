//! The names of tenants and of those who ask: grammars, parsed once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of an experiment: an opaque tenant name that the operator chose.
///
/// 1 to 128 bytes of the unreserved characters of RFC 3986, section 2.3 (`A-Z a-z 0-9 . _ ~ -`), but
/// not `.` or `..`: it stands in paths of URLs and is the same letters there, encoded or not.
///
/// ```
/// use artifact_store::ExperimentId;
///
/// let id: ExperimentId = "run-2024.1".parse()?;
/// assert_eq!(id.as_str(), "run-2024.1");
/// assert!("..".parse::<ExperimentId>().is_err());
/// # Ok::<(), artifact_store::InvalidExperimentId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExperimentId(Arc<str>);

impl ExperimentId {
    /// The greatest length, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExperimentId {
    type Err = InvalidExperimentId;

    fn from_str(text: &str) -> Result<Self, InvalidExperimentId> {
        let unreserved =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        let length_fits = (1..=Self::MAX_LEN).contains(&text.len());
        if length_fits && text.bytes().all(unreserved) && text != "." && text != ".." {
            Ok(Self(text.into()))
        } else {
            Err(InvalidExperimentId(()))
        }
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExperimentId({self})")
    }
}

/// A text cannot be the name of an experiment. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an experiment id is 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - and neither \".\" nor \"..\""
)]
pub struct InvalidExperimentId(());

/// The name of one who asks: the literal `admin`, or a worker's id.
///
/// A worker's id is `wkr_` and 26 characters of lower-case Crockford base 32
/// (`^wkr_[0-9a-hjkmnp-tv-z]{26}$`). No other text is one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalId(Arc<str>);

impl PrincipalId {
    /// The text of the administrator's id.
    pub const ADMIN: &'static str = "admin";

    const WORKER_PREFIX: &'static str = "wkr_";
    const WORKER_DIGITS: usize = 26;

    /// The administrator's id.
    pub fn admin() -> Self {
        Self(Self::ADMIN.into())
    }

    /// Whether this is the administrator's id, and not a worker's.
    pub fn is_admin(&self) -> bool {
        &*self.0 == Self::ADMIN
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PrincipalId {
    type Err = InvalidPrincipalId;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipalId> {
        // Crockford's alphabet leaves out i, l, o and u.
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z');
        let worker = text
            .strip_prefix(Self::WORKER_PREFIX)
            .is_some_and(|rest| rest.len() == Self::WORKER_DIGITS && rest.bytes().all(digit));
        if worker || text == Self::ADMIN {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPrincipalId(()))
        }
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrincipalId({self})")
    }
}

/// A text is not the id of a principal. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a principal id is \"admin\", or \"wkr_\" and 26 of the characters 0-9 a-h j k m n p-t v-z"
)]
pub struct InvalidPrincipalId(());
