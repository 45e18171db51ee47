//! One of the 16 parts of a backend's blobs, by the first digit of the id.

use std::fmt;

use crate::id::ArtifactId;

/// One of 16 parts of all ids: those that begin with the same hexadecimal digit.
///
/// [`ArtifactInventory::list_shard`](crate::ArtifactInventory::list_shard) lists the blobs of one shard. The
/// shards have no id in common, and the ids of each come before those of the next in [`ALL`](Self::ALL).
/// It prints as its digit.
///
/// ```
/// use artifact_backend::{ArtifactId, Shard};
///
/// let id: ArtifactId = "c0ffee33445566778899aabbccddeeff".parse()?;
/// let shard = Shard::of(id);
/// assert!(shard.contains(id));
/// assert_eq!(shard, Shard::ALL[12]);
/// assert_eq!(shard.to_string(), "c");
/// # Ok::<(), artifact_backend::ParseIdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u8);

impl Shard {
    /// The number of shards.
    pub const COUNT: usize = 16;

    /// All shards, in the order of their ids.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self(0); Self::COUNT];
        let mut number: u8 = 1;
        while (number as usize) < Self::COUNT {
            all[number as usize] = Self(number);
            number += 1;
        }
        all
    };

    /// Returns the shard that an id belongs to.
    pub const fn of(id: ArtifactId) -> Self {
        Self(id.as_bytes()[0] >> 4)
    }

    /// Returns whether an id belongs to this shard.
    pub const fn contains(self, id: ArtifactId) -> bool {
        Self::of(id).0 == self.0
    }

    /// Returns the value of the digit, from 0 to 15. It is the index in [`ALL`](Self::ALL).
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Returns the smallest id of the shard.
    pub const fn first_id(self) -> ArtifactId {
        let mut bytes = [0; ArtifactId::BYTES];
        bytes[0] = self.0 << 4;
        ArtifactId::from_bytes(bytes)
    }

    /// Returns the largest id of the shard.
    pub const fn last_id(self) -> ArtifactId {
        let mut bytes = [0xff; ArtifactId::BYTES];
        bytes[0] = self.0 << 4 | 0x0f;
        ArtifactId::from_bytes(bytes)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_begins_after_the_end_of_the_one_before() {
        let mut next = 0;
        for (index, shard) in Shard::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(shard.number()), index);
            assert_eq!(u128::from(shard.first_id()), next);
            assert!(shard.contains(shard.first_id()) && shard.contains(shard.last_id()));
            next = u128::from(shard.last_id()).wrapping_add(1);
        }
        assert_eq!(next, 0);
    }
}
