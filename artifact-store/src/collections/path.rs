//! The names of files in a collection.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::file_name::FileName;

/// The name of a file in a collection: one or more segments, separated by `/`.
///
/// - 1 to 1,024 bytes of UTF-8 in all, 1 to 64 segments, 1 to 255 bytes a segment: what file systems accept as a relative
///   path.
/// - No segment is empty, `.` or `..`. So the name neither begins nor ends with `/`, and leads nowhere but into the folder
///   that it is joined to.
/// - No control character (U+0000 to U+001F, U+007F to U+009F) and no backslash.
///
/// Names are compared byte for byte, and ordered by their bytes. Nothing is decoded, folded or normalized: `é` as one
/// code point and `é` as two are different names. A name is a value in the database. It is never a path on the server's disk or
/// a key in a bucket.
///
/// ```
/// use artifact_store::CollectionPath;
///
/// let path: CollectionPath = "runs/7/model.bin".parse()?;
/// assert_eq!(path.segments().collect::<Vec<_>>(), ["runs", "7", "model.bin"]);
/// assert!("../etc/passwd".parse::<CollectionPath>().is_err());
/// # Ok::<(), artifact_store::InvalidCollectionPath>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionPath(Arc<str>);

impl CollectionPath {
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = 1_024;
    /// The maximum length of a segment in bytes, which is the limit of file systems for one name.
    pub const MAX_SEGMENT_LEN: usize = 255;
    /// The maximum number of segments.
    pub const MAX_SEGMENTS: usize = 64;

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the segments: the folders, then the last component.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the last segment as the file name that a download is offered under, unless nothing of it is left.
    pub fn file_name(&self) -> Option<FileName> {
        FileName::clean(&self.0)
    }

    /// Returns the names of the folders that the file is in, the outermost first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }
}

impl FromStr for CollectionPath {
    type Err = InvalidCollectionPath;

    fn from_str(text: &str) -> Result<Self, InvalidCollectionPath> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(InvalidCollectionPath::Length);
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(InvalidCollectionPath::Character);
        }
        let mut count = 0;
        for segment in text.split('/') {
            count += 1;
            match segment {
                "" | "." | ".." => return Err(InvalidCollectionPath::Segment),
                _ if segment.len() > Self::MAX_SEGMENT_LEN => {
                    return Err(InvalidCollectionPath::SegmentLength);
                }
                _ => {}
            }
        }
        if count > Self::MAX_SEGMENTS {
            return Err(InvalidCollectionPath::Depth);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for CollectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for CollectionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionPath({:?})", &*self.0)
    }
}

/// The error for a text that is not the name of a file in a collection. Its message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCollectionPath {
    /// It is empty or too long.
    #[error("a name in a collection has 1 to 1024 bytes")]
    Length,
    /// It has a control character or a backslash.
    #[error("a name in a collection has no control character and no backslash")]
    Character,
    /// A segment is empty, `.` or `..`.
    #[error(
        "no part of a name between slashes is empty, `.` or `..`, and the name neither begins nor ends with a slash"
    )]
    Segment,
    /// A segment is too long.
    #[error("each part of a name between slashes has at most 255 bytes")]
    SegmentLength,
    /// There are too many segments.
    #[error("a name in a collection has at most 64 parts between slashes")]
    Depth,
}
