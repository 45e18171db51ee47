//! How a range of leaves is split into complete subtrees.

use crate::hash::TreeHash;

/// Returns the hash of the tree over these hashes, which must not be empty. Their number is a power of two, or they are the last ones.
pub(crate) fn root_of(hashes: &[TreeHash]) -> TreeHash {
    match hashes {
        [] => TreeHash::of_nothing(),
        [only] => *only,
        _ => {
            let middle = 1 << (hashes.len() - 1).ilog2();
            let (left, right) = hashes.split_at(middle);
            TreeHash::of_node(root_of(left), root_of(right))
        }
    }
}

/// Returns the largest power of two below a number, which is at least 2.
pub(crate) fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}
