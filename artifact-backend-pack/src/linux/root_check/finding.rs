//! What a check of a root finds.

use std::fmt;
use std::path::PathBuf;

/// Something about a file of a root that is not as the backend made it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackFinding {
    /// The path, relative to the root.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: PackProblem,
}

/// What is wrong with a file of a root. `Display` says what to do, too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackProblem {
    /// It is not there.
    Missing,
    /// It has a name that the backend does not use.
    Unexpected,
    /// It is not of the type that belongs under this name.
    WrongType,
    /// It could not be read, for this reason.
    Unreadable(String),
    /// The first block of the segment is not valid.
    Header,
    /// The segment is not the newest one and has no valid footer, or one that does not belong to its header.
    Seal,
    /// The filter of the segment is not what was written, so that reads are slower.
    Filter,
    /// The fences of the segment are not what was written, so that reads are slower.
    Fences,
    /// The block of the index with this number is not what was written.
    Index(u64),
    /// The index does not have exactly the entries of the frames.
    IndexDiffers,
    /// There is no valid frame at this offset in bytes, where one must begin. It is not known which blobs it has.
    Frame(u64),
    /// The frame at this offset in bytes has blobs whose bytes are not what was stored.
    Blobs(u64),
    /// It records a damaged frame. The file says what to do.
    RecordedLoss,
    /// It records a failed sync.
    FailedSync,
}

impl PackProblem {
    /// Returns the kind of the problem in one word, for lines that programs read.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::WrongType => "type",
            Self::Unreadable(_) => "unreadable",
            Self::Header => "header",
            Self::Seal => "seal",
            Self::Filter => "filter",
            Self::Fences => "fences",
            Self::Index(_) => "index",
            Self::IndexDiffers => "index-differs",
            Self::Frame(_) => "frame",
            Self::Blobs(_) => "blobs",
            Self::RecordedLoss => "recorded-loss",
            Self::FailedSync => "failed-sync",
        }
    }
}

impl fmt::Display for PackProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RESTORE: &str = "restore the file from a backup";
        match self {
            Self::Missing => write!(f, "it is missing; {RESTORE}"),
            Self::Unexpected => f.write_str("it is not a file of the store; move it elsewhere"),
            Self::WrongType => write!(
                f,
                "it is not of the type that belongs under this name; {RESTORE}"
            ),
            Self::Unreadable(why) => write!(f, "it cannot be checked: {why}"),
            Self::Header => write!(f, "its header is damaged; {RESTORE}"),
            Self::Seal => write!(
                f,
                "its footer is missing or damaged, and it is not the newest segment; {RESTORE}"
            ),
            Self::Filter => write!(
                f,
                "its filter is damaged, so that reads are slower; {RESTORE}"
            ),
            Self::Fences => write!(
                f,
                "its fences are damaged, so that reads are slower; {RESTORE}"
            ),
            Self::Index(block) => write!(f, "block {block} of its index is damaged; {RESTORE}"),
            Self::IndexDiffers => write!(
                f,
                "its index does not have the entries of its frames; {RESTORE}"
            ),
            Self::Frame(offset) => write!(
                f,
                "there is no valid frame at the offset {offset}, so it is not known which blobs it has; {RESTORE}"
            ),
            Self::Blobs(offset) => write!(
                f,
                "the frame at the offset {offset} has damaged blobs; {RESTORE}"
            ),
            Self::RecordedLoss => f.write_str("it records a damaged frame; do what it says"),
            Self::FailedSync => {
                f.write_str("it records a failed sync; do what the file large/failed-sync says")
            }
        }
    }
}

/// The numbers of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RootReport {
    /// The names that were looked at, in the root and in its folder of segments.
    pub checked: u64,
    /// The segments that were read.
    pub segments: u64,
    /// The findings.
    pub findings: u64,
}

impl RootReport {
    /// Returns whether nothing is wrong.
    pub const fn is_good(&self) -> bool {
        self.findings == 0
    }
}
