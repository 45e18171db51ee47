//! An experiment: the tenant that artifacts, workers and groups belong to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::time::truncate_to_micros;

/// The name of an experiment, an opaque tenant name that the operator chose.
///
/// 1 to 128 bytes of the unreserved characters of RFC 3986, section 2.3 (`A-Z a-z 0-9 . _ ~ -`), but
/// neither `.` nor `..`. Such a name stays the same in the path of a URL, percent-encoded or not.
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
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = 128;

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExperimentId {
    type Err = InvalidExperimentId;

    fn from_str(text: &str) -> Result<Self, InvalidExperimentId> {
        let is_unreserved =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        let length_fits = (1..=Self::MAX_LEN).contains(&text.len());
        if length_fits && text.bytes().all(is_unreserved) && text != "." && text != ".." {
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

/// The error for a text that is not an experiment id. Its message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an experiment id is 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - and neither \".\" nor \"..\""
)]
pub struct InvalidExperimentId(());

/// An experiment that this deployment hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Experiment {
    /// Its name.
    pub id: ExperimentId,
    /// When it was created, in whole microseconds since 1970.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_impl::micros")
    )]
    pub created_at: Timestamp,
}

impl Experiment {
    /// Creates a record; `created_at` is truncated to microseconds.
    pub fn new(id: ExperimentId, created_at: Timestamp) -> Self {
        Self {
            id,
            created_at: truncate_to_micros(created_at),
        }
    }
}
