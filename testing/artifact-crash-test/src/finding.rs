//! Describes what is visible after a crash and what may be wrong with it.

use std::fmt;

use crate::digest::Digest;

/// An item that is visible in a root after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Visible {
    /// A blob with the digest of its current bytes.
    Blob(String, Digest),
    /// The id of a blob that is visible but cannot be read, and the reason.
    Unreadable(String, String),
    /// The path of a file that is neither a blob nor in a place where leftovers are allowed.
    Stray(String),
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Finding {
    /// The blob was acknowledged, but it is missing.
    Lost(String),
    /// The subject reported that the blob already exists, but it is missing.
    ExistsLost(String),
    /// The blob was acknowledged, but its bytes are different.
    Changed(String),
    /// The blob was not acknowledged and has bytes that were never stored under this id.
    Partial(String),
    /// The blob is visible, but no `TRY` announced it.
    Unannounced(String),
    /// The blob is visible but cannot be read.
    Unreadable(String, String),
    /// The blob was deleted successfully and is visible again.
    Resurrected(String),
    /// Two stores of the same id were both acknowledged.
    AckedTwice(String),
    /// A load returned bytes that were never stored.
    Misread(String),
    /// A load reported that an acknowledged blob does not exist.
    Denied(String),
    /// The subject acknowledged something after a sync had failed in the same operation.
    AckedUnsynced(String),
    /// A file is in a place where no sweep of the store would find it.
    Stray(String),
    /// The subject crashed because of the fault, or did not exit in time.
    Died(String),
    /// The checker program failed, or the file system could not be repaired or mounted.
    Unusable(String),
}

impl Finding {
    /// Returns the kind as one word, as printed in tables.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::ExistsLost(_) => "exists-lost",
            Self::Changed(_) => "changed",
            Self::Partial(_) => "partial",
            Self::Unannounced(_) => "unannounced",
            Self::Unreadable(..) => "unreadable",
            Self::Resurrected(_) => "resurrected",
            Self::AckedTwice(_) => "acked-twice",
            Self::Misread(_) => "misread",
            Self::Denied(_) => "denied",
            Self::AckedUnsynced(_) => "acked-unsynced",
            Self::Stray(_) => "stray",
            Self::Died(_) => "died",
            Self::Unusable(_) => "unusable",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(id) => write!(f, "{id} was acknowledged and is gone"),
            Self::ExistsLost(id) => write!(f, "{id} was reported as existing and is gone"),
            Self::Changed(id) => write!(f, "{id} was acknowledged, but its bytes are different"),
            Self::Partial(id) => write!(f, "{id} is visible with bytes that were never stored"),
            Self::Unannounced(id) => write!(f, "{id} is visible and was never stored"),
            Self::Unreadable(id, why) => write!(f, "{id} is visible and cannot be read: {why}"),
            Self::Resurrected(id) => write!(f, "{id} was deleted and is visible again"),
            Self::AckedTwice(id) => write!(f, "{id} was acknowledged twice"),
            Self::Misread(id) => write!(f, "a load of {id} returned bytes that were never stored"),
            Self::Denied(id) => {
                write!(f, "{id} was acknowledged, but a load reported it as absent")
            }
            Self::AckedUnsynced(id) => write!(f, "{id} was acknowledged after a failed sync"),
            Self::Died(status) => write!(f, "the subject crashed or hung: {status}"),
            Self::Stray(path) => write!(f, "{path} lies where no sweep would find it"),
            Self::Unusable(why) => write!(f, "the root cannot be read: {why}"),
        }
    }
}
