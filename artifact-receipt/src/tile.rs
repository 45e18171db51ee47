//! Tiles: 256 hashes of the tree side by side.

use std::fmt;
use std::ops::Range;

use crate::hash::TreeHash;

/// A hash that tiles have: of a leaf at level 0, and at each higher level of a full tile of the level below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashNode {
    /// The level, up to [`TileId::MAX_LEVEL`].
    pub level: u8,
    /// The number within the level.
    pub index: u64,
    /// The hash.
    pub hash: TreeHash,
}

/// A tile, or the beginning of one that is not full yet, by [tlog-tiles](https://c2sp.org/tlog-tiles). Prints as the end of its path, such as
/// `0/x001/067.p/12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    level: u8,
    number: u64,
    width: u16,
}

impl TileId {
    /// The number of hashes in a full tile.
    pub const WIDTH: u16 = 256;
    /// The highest level that a tree with fewer than 2^63 leaves has.
    pub const MAX_LEVEL: u8 = 7;

    /// Returns the tile at a level with a number, as wide as it is in a tree of this size. `None` if the tree has no such tile.
    pub fn in_tree(level: u8, number: u64, size: u64) -> Option<Self> {
        let count = nodes_at(level, size);
        let first = number.checked_mul(u64::from(Self::WIDTH))?;
        let width = count.checked_sub(first)?.min(u64::from(Self::WIDTH));
        let width = u16::try_from(width).ok()?;
        (width > 0).then_some(Self {
            level,
            number,
            width,
        })
    }

    /// Parses the end of a path: `<L>/<N>` or `<L>/<N>.p/<W>`. Only the one text of each tile is accepted.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, decimal(width)?),
            None => (rest, u64::from(Self::WIDTH)),
        };
        let mut value: u64 = 0;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            value = value.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self {
            level: decimal(level)?.try_into().ok()?,
            number: value,
            width: width.try_into().ok()?,
        };
        let fits = tile.level <= Self::MAX_LEVEL && (1..=Self::WIDTH).contains(&tile.width);
        (fits && tile.to_string() == path).then_some(tile)
    }

    /// Returns the level.
    pub fn level(self) -> u8 {
        self.level
    }

    /// Returns the number within the level.
    pub fn number(self) -> u64 {
        self.number
    }

    /// Returns the number of hashes, from 1 to 256.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Returns the numbers of its [nodes](HashNode::index) within the level.
    pub fn nodes(self) -> Range<u64> {
        let first = self.number.saturating_mul(u64::from(Self::WIDTH));
        first..first.saturating_add(u64::from(self.width))
    }

    /// Returns whether a tree of this size has all its hashes.
    pub fn is_in_tree(self, size: u64) -> bool {
        self.nodes().end <= nodes_at(self.level, size)
    }
}

/// Returns how many nodes a level has in a tree of this size.
pub(crate) fn nodes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

fn decimal(text: &str) -> Option<u64> {
    let is_canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_canonical {
        text.parse().ok()
    } else {
        None
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![self.number % 1000];
        let mut rest = self.number / 1000;
        while rest > 0 {
            parts.push(rest % 1000);
            rest /= 1000;
        }
        write!(f, "{}/", self.level)?;
        while parts.len() > 1
            && let Some(part) = parts.pop()
        {
            write!(f, "x{part:03}/")?;
        }
        write!(f, "{:03}", parts[0])?;
        if self.width < Self::WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}
