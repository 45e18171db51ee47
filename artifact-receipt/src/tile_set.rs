//! Hashes of the tree that are at hand.

use std::collections::BTreeMap;

use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::hash::TreeHash;
use crate::subtree::{root_of, split};
use crate::tile::{HashNode, TileId, nodes_at};

/// Tiles that were loaded, of which roots and proofs are computed.
#[derive(Debug, Clone, Default)]
pub struct TileSet {
    /// By level and number.
    tiles: BTreeMap<(u8, u64), Vec<TreeHash>>,
}

impl TileSet {
    /// Adds a tile, or replaces it by a wider one.
    pub fn insert(&mut self, tile: TileId, hashes: Vec<TreeHash>) {
        let place = self.tiles.entry((tile.level(), tile.number())).or_default();
        if place.len() < hashes.len() {
            *place = hashes;
        }
    }

    /// Returns the tiles that the root of a tree of this size is computed from: the edge of the tree.
    pub fn needed_for_root(size: u64) -> Vec<TileId> {
        (0..=TileId::MAX_LEVEL)
            .filter_map(|level| last_tile(level, size))
            .collect()
    }

    /// Returns the tiles that the proof of a leaf is computed from: those above the leaf, and the edge of the tree.
    pub fn needed_for_inclusion(index: u64, size: u64) -> Vec<TileId> {
        let mut tiles = Self::needed_for_root(size);
        for level in 0..=TileId::MAX_LEVEL {
            let number = nodes_at(level, index) / u64::from(TileId::WIDTH);
            tiles.extend(TileId::in_tree(level, number, size));
        }
        tiles.sort_unstable();
        tiles.dedup();
        tiles
    }

    /// Returns the tiles that show that a tree is the beginning of a larger one.
    pub fn needed_for_consistency(old_size: u64, size: u64) -> Vec<TileId> {
        let mut tiles = Self::needed_for_root(size);
        for level in 0..=TileId::MAX_LEVEL {
            // The last tile of the old tree, as wide as it is now, and the one of its last full node.
            let count = nodes_at(level, old_size);
            for node in [count, count.saturating_sub(1)] {
                let number = node / u64::from(TileId::WIDTH);
                tiles.extend(TileId::in_tree(level, number, size));
            }
        }
        tiles.sort_unstable();
        tiles.dedup();
        tiles
    }

    /// Returns the root of a tree of this size.
    ///
    /// # Errors
    ///
    /// `MissingHash` if a [tile](Self::needed_for_root) is not there.
    pub fn root(&self, size: u64) -> Result<TreeHash, ReceiptError> {
        if size == 0 {
            return Ok(TreeHash::of_nothing());
        }
        self.subtree(0, size)
    }

    /// Returns the hash of the tree over the leaves from `first` to `end`, which is not included. They are not empty, and are a range that
    /// RFC 6962 splits a tree into.
    pub(crate) fn subtree(&self, first: u64, end: u64) -> Result<TreeHash, ReceiptError> {
        let count = end - first;
        if count.is_power_of_two() {
            return self.complete(first, count.trailing_zeros());
        }
        let middle = first + split(count);
        Ok(TreeHash::of_node(
            self.subtree(first, middle)?,
            self.subtree(middle, end)?,
        ))
    }

    /// Returns the hash of the complete subtree of this height that begins with the leaf `first`.
    fn complete(&self, first: u64, height: u32) -> Result<TreeHash, ReceiptError> {
        let level = u8::try_from(height / 8).expect("a height is below 64");
        let node = nodes_at(level, first);
        let width = u64::from(TileId::WIDTH);
        let (number, offset) = (node / width, node % width);
        let offset = usize::try_from(offset).expect("a tile has 256 hashes");
        let range = offset..offset + (1 << (height % 8));
        let tile = self.tiles.get(&(level, number));
        let hashes = tile.and_then(|hashes| hashes.get(range));
        hashes.map(root_of).ok_or_else(|| {
            let detail = format!("the tile {number} of level {level} is missing or too short");
            ReceiptError::new(ReceiptErrorKind::MissingHash, detail)
        })
    }
}

/// Adds nodes in the order in which [`Frontier::push`](crate::Frontier::push) returns them.
impl Extend<HashNode> for TileSet {
    fn extend<I: IntoIterator<Item = HashNode>>(&mut self, nodes: I) {
        for node in nodes {
            let number = node.index / u64::from(TileId::WIDTH);
            self.tiles
                .entry((node.level, number))
                .or_default()
                .push(node.hash);
        }
    }
}

/// Returns the last tile of a level, full or not.
fn last_tile(level: u8, size: u64) -> Option<TileId> {
    let last = nodes_at(level, size).checked_sub(1)?;
    TileId::in_tree(level, last / u64::from(TileId::WIDTH), size)
}
