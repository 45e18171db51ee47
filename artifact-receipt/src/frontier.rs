//! The right edge of a tree, to which leaves are appended.

use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::hash::TreeHash;
use crate::subtree::root_of;
use crate::tile::{HashNode, TileId, nodes_at};

/// The right edge of a tree: its size, and the tile of each level that is not full. It is all that is needed to append leaves and to compute
/// the root. It has at most 255 hashes a level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// By level.
    edge: Vec<Vec<TreeHash>>,
}

impl Frontier {
    /// Returns the tiles that [`from_tiles`](Self::from_tiles) needs for a tree of this size: at each level the one that is not full, if it is not
    /// empty.
    pub fn tiles(size: u64) -> Vec<TileId> {
        let levels = 0..=TileId::MAX_LEVEL;
        let tiles = levels.filter_map(|level| {
            let tile = nodes_at(level, size) / u64::from(TileId::WIDTH);
            TileId::in_tree(level, tile, size)
        });
        tiles.collect()
    }

    /// Makes the edge of a tree from its [tiles](Self::tiles), in their order.
    ///
    /// # Errors
    ///
    /// `MissingHash` if a tile has another number of hashes than it must have.
    pub fn from_tiles(
        size: u64,
        tiles: impl IntoIterator<Item = Vec<TreeHash>>,
    ) -> Result<Self, ReceiptError> {
        let mut given = tiles.into_iter();
        let mut edge: Vec<Vec<TreeHash>> = Vec::new();
        for tile in Self::tiles(size) {
            let hashes = given.next().unwrap_or_default();
            if hashes.len() != usize::from(tile.width()) {
                let detail = format!("the tile {tile} has {} hashes", hashes.len());
                return Err(ReceiptError::new(ReceiptErrorKind::MissingHash, detail));
            }
            edge.resize(usize::from(tile.level()), Vec::new());
            edge.push(hashes);
        }
        Ok(Self { size, edge })
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, and returns the new nodes: the leaf, and one for each tile that is full now.
    pub fn push(&mut self, leaf: TreeHash) -> Vec<HashNode> {
        let mut nodes = Vec::with_capacity(1);
        let (mut level, mut index, mut hash) = (0_u8, self.size, leaf);
        self.size += 1;
        loop {
            nodes.push(HashNode { level, index, hash });
            let place = usize::from(level);
            if self.edge.len() <= place {
                self.edge.push(Vec::new());
            }
            let tile = &mut self.edge[place];
            tile.push(hash);
            if tile.len() < usize::from(TileId::WIDTH) {
                return nodes;
            }
            hash = root_of(tile);
            tile.clear();
            index /= u64::from(TileId::WIDTH);
            level += 1;
        }
    }

    /// Returns the root of the tree.
    pub fn root(&self) -> TreeHash {
        // From the right: the hashes of each tile are split into subtrees of falling size, all to the left of what was before.
        let mut root: Option<TreeHash> = None;
        for tile in &self.edge {
            let mut rest = &tile[..];
            while !rest.is_empty() {
                let last = 1 << rest.len().trailing_zeros();
                let (before, subtree) = rest.split_at(rest.len() - last);
                let hash = root_of(subtree);
                root = Some(root.map_or(hash, |right| TreeHash::of_node(hash, right)));
                rest = before;
            }
        }
        root.unwrap_or_else(TreeHash::of_nothing)
    }
}
