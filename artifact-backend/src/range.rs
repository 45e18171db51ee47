//! Byte ranges of a blob.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// The bytes of a blob that a caller wants (RFC 9110, section 14.1.2).
///
/// Positions are in bytes from 0. A range is clamped to the end of the blob. A range that holds no
/// byte of the blob is rejected, see [`ByteRange::resolve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum ByteRange {
    /// The whole blob. Always satisfiable, even for an empty blob.
    #[default]
    Full,
    /// The bytes from `first` to `last`, both included. Not satisfiable if `last < first`.
    FromTo {
        /// The first position.
        first: u64,
        /// The last position, included.
        last: u64,
    },
    /// The bytes from this position to the end.
    From(u64),
    /// The last `n` bytes, or the whole blob if it is shorter.
    Suffix(u64),
}

impl ByteRange {
    /// Returns the positions of this range in a blob of `size` bytes, clamped to its end.
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
    /// [`RangeNotSatisfiable`] if the range begins at or after the end of the blob, ends before it
    /// begins, or is a suffix of zero bytes. A longer suffix of an empty blob is the empty blob
    /// (RFC 9110: a suffix range is satisfiable if its length is not zero).
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

/// The range of no byte, which no blob satisfies.
const EMPTY: ByteRange = ByteRange::Suffix(0);

/// An empty range is not satisfiable, as no range without a byte is.
///
/// ```
/// use artifact_backend::ByteRange;
///
/// assert_eq!(ByteRange::from(2..5), ByteRange::FromTo { first: 2, last: 4 });
/// assert_eq!(ByteRange::from(2..=5), ByteRange::FromTo { first: 2, last: 5 });
/// assert_eq!(ByteRange::from(2..), ByteRange::From(2));
/// assert_eq!(ByteRange::from(..), ByteRange::Full);
/// assert!(ByteRange::from(5..5).resolve(10).is_err());
/// ```
impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        match range.end.checked_sub(1) {
            Some(last) if range.start <= last => Self::FromTo {
                first: range.start,
                last,
            },
            _ => EMPTY,
        }
    }
}

impl From<RangeInclusive<u64>> for ByteRange {
    fn from(range: RangeInclusive<u64>) -> Self {
        // Also empty if it was used up as an iterator.
        if range.is_empty() {
            return EMPTY;
        }
        let (first, last) = range.into_inner();
        Self::FromTo { first, last }
    }
}

impl From<RangeTo<u64>> for ByteRange {
    fn from(range: RangeTo<u64>) -> Self {
        Self::from(0..range.end)
    }
}

impl From<RangeToInclusive<u64>> for ByteRange {
    fn from(range: RangeToInclusive<u64>) -> Self {
        Self::from(0..=range.end)
    }
}

impl From<RangeFrom<u64>> for ByteRange {
    fn from(range: RangeFrom<u64>) -> Self {
        Self::From(range.start)
    }
}

impl From<RangeFull> for ByteRange {
    fn from(_: RangeFull) -> Self {
        Self::Full
    }
}

/// The range holds no byte of the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range holds no byte of a blob of {size} bytes")]
#[non_exhaustive]
pub struct RangeNotSatisfiable {
    /// The size of the blob in bytes.
    pub size: u64,
}
