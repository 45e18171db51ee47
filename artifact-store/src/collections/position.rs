//! A position in a list of collections.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::id::{CollectionId, InvalidCollectionId};

/// A position in a list of collections, which is ordered by the time of creation. As text it is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionPosition {
    pub(crate) created_at: i64,
    pub(crate) id: CollectionId,
}

impl CollectionPosition {
    /// The position before the first collection.
    pub const START: Self = Self {
        created_at: i64::MIN,
        id: CollectionId::from_bytes([0; CollectionId::BYTES]),
    };

    pub(crate) fn of(created_at: Timestamp, id: CollectionId) -> Self {
        let created_at = created_at.as_microsecond();
        Self { created_at, id }
    }
}

impl fmt::Display for CollectionPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at, self.id)
    }
}

impl FromStr for CollectionPosition {
    type Err = InvalidCollectionId;

    fn from_str(text: &str) -> Result<Self, InvalidCollectionId> {
        let (time, id) = text.split_once('.').ok_or(InvalidCollectionId(()))?;
        let created_at = time.parse().map_err(|_| InvalidCollectionId(()))?;
        let id = id.parse()?;
        Ok(Self { created_at, id })
    }
}
