//! What may be wrong after a crash.

use std::fmt;

use crate::digest::Digest;

/// One thing that is visible in a root after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Visible {
    /// A blob, with the digest of its bytes as they are.
    Blob(String, Digest),
    /// A blob that is there and cannot be read, and why.
    Unreadable(String, String),
    /// A file that is neither a blob nor in a place where leftovers may lie.
    Stray(String),
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Finding {
    /// Acknowledged, and gone.
    Lost(String),
    /// "Already exists" was answered, and it is gone.
    ExistsLost(String),
    /// Acknowledged, and there with other bytes.
    Changed(String),
    /// Not acknowledged, and there with bytes that nobody stored under this id.
    Partial(String),
    /// There, and never announced by a `TRY`.
    Unannounced(String),
    /// There, and unreadable.
    Unreadable(String, String),
    /// Deleted with an Ok, and there again.
    Resurrected(String),
    /// Two stores of one id were both acknowledged.
    AckedTwice(String),
    /// A reader was given bytes that nobody stored.
    Misread(String),
    /// A reader was told that a blob does not exist, after it was acknowledged.
    Denied(String),
    /// Something was acknowledged after a sync had failed in the same operation.
    AckedUnsynced(String),
    /// A file where no sweep looks.
    Stray(String),
    /// The subject died of what happened to it, or did not end.
    Died(String),
    /// The checker program failed, or the file system could not be repaired or mounted.
    Unusable(String),
}

impl Finding {
    /// The kind in one word, as it stands in tables.
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
            Self::ExistsLost(id) => write!(f, "{id} was said to exist and is gone"),
            Self::Changed(id) => write!(f, "{id} was acknowledged and has other bytes"),
            Self::Partial(id) => write!(f, "{id} is visible with bytes that nobody stored"),
            Self::Unannounced(id) => write!(f, "{id} is visible and nobody stored it"),
            Self::Unreadable(id, why) => write!(f, "{id} is visible and cannot be read: {why}"),
            Self::Resurrected(id) => write!(f, "{id} was deleted and is there again"),
            Self::AckedTwice(id) => write!(f, "{id} was acknowledged to two stores"),
            Self::Misread(id) => write!(f, "{id} was read as bytes that nobody stored"),
            Self::Denied(id) => write!(f, "{id} was acknowledged, and a reader told it is absent"),
            Self::AckedUnsynced(id) => write!(f, "{id} was answered for after a failed sync"),
            Self::Died(how) => write!(f, "the subject died of it: {how}"),
            Self::Stray(what) => write!(f, "{what} lies where no sweep looks"),
            Self::Unusable(why) => write!(f, "nothing can be read at all: {why}"),
        }
    }
}
