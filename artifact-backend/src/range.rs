//! Which bytes of a blob are asked for.

use std::ops::Range;

/// Which bytes of a blob are asked for, in the terms of RFC 9110, section 14.1.2.
///
/// Positions are in bytes from 0. A range is clamped to the end of the blob; only one that holds no
/// position of it is refused, see [`ByteRange::resolve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum ByteRange {
    /// The whole blob. Satisfiable always, also for an empty blob.
    #[default]
    Full,
    /// From `first` to `last`, both included. Not satisfiable when `last < first`.
    FromTo {
        /// First position wanted.
        first: u64,
        /// Last position wanted, included.
        last: u64,
    },
    /// From this position to the end.
    From(u64),
    /// The last so many bytes, or the whole blob where it is shorter.
    Suffix(u64),
}

impl ByteRange {
    /// The positions that this range stands for in a blob of `size` bytes, clamped to its end.
    ///
    /// ```
    /// use artifact_backend::ByteRange;
    ///
    /// assert_eq!(ByteRange::FromTo { first: 2, last: 99 }.resolve(10), Ok(2..10));
    /// assert_eq!(ByteRange::Suffix(3).resolve(10), Ok(7..10));
    /// assert!(ByteRange::From(10).resolve(10).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`RangeNotSatisfiable`] when no position is in the blob: it begins at or past the end, ends
    /// before it begins, or is a suffix of zero bytes. A suffix of an empty blob is the whole of
    /// it (RFC 9110: a suffix range is satisfiable if its length is not zero).
    pub fn resolve(self, size: u64) -> Result<Range<u64>, RangeNotSatisfiable> {
        match self {
            Self::Full => Ok(0..size),
            Self::FromTo { first, last } if first <= last && first < size => {
                Ok(first..last.saturating_add(1).min(size))
            }
            Self::From(first) if first < size => Ok(first..size),
            Self::Suffix(length) if length > 0 => Ok(size.saturating_sub(length)..size),
            Self::FromTo { .. } | Self::From(_) | Self::Suffix(_) => {
                Err(RangeNotSatisfiable { size })
            }
        }
    }
}

/// A range holds no position of the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range holds no byte of a blob of {size} bytes")]
#[non_exhaustive]
pub struct RangeNotSatisfiable {
    /// The size of the blob, in bytes.
    pub size: u64,
}
