//! Proofs of inclusion and of consistency (RFC 6962, sections 2.1.1 and 2.1.2; RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::hash::TreeHash;
use crate::subtree::split;
use crate::tile_set::TileSet;

/// Returns the proof that the leaf `index` is in the tree of `size` leaves: the hashes from its sibling up to the child of the root.
///
/// # Errors
///
/// `InvalidValue` if the tree has no such leaf; `MissingHash` if a [tile](TileSet::needed_for_inclusion) is not there.
pub fn inclusion_proof(
    tiles: &TileSet,
    index: u64,
    size: u64,
) -> Result<Vec<TreeHash>, ReceiptError> {
    if index >= size {
        let detail = format!("the tree of {size} leaves has no leaf {index}");
        return Err(ReceiptError::new(ReceiptErrorKind::InvalidValue, detail));
    }
    let (mut first, mut end) = (0, size);
    let mut path = Vec::new();
    while end - first > 1 {
        let middle = first + split(end - first);
        if index < middle {
            path.push(tiles.subtree(middle, end)?);
            end = middle;
        } else {
            path.push(tiles.subtree(first, middle)?);
            first = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Verifies that a leaf with this hash is at `index` in the tree with this size and root.
///
/// # Errors
///
/// `WrongProof`.
pub fn verify_inclusion(
    leaf: TreeHash,
    index: u64,
    size: u64,
    proof: &[TreeHash],
    root: TreeHash,
) -> Result<(), ReceiptError> {
    let wrong = || wrong_proof("the proof does not lead from the receipt to the checkpoint");
    if index >= size {
        return Err(wrong());
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(wrong());
        }
        if node & 1 == 1 || node == last {
            hash = TreeHash::of_node(*sibling, hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = TreeHash::of_node(hash, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == root {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// Returns the proof that the tree of `old_size` leaves is the beginning of the tree of `size` leaves. It is empty if one of them is the
/// other or the old one has no leaves.
///
/// # Errors
///
/// `InvalidValue` if the old tree is larger; `MissingHash` if a [tile](TileSet::needed_for_consistency) is not there.
pub fn consistency_proof(
    tiles: &TileSet,
    old_size: u64,
    size: u64,
) -> Result<Vec<TreeHash>, ReceiptError> {
    if old_size > size {
        let detail = format!("a tree of {old_size} leaves is no beginning of one of {size} leaves");
        return Err(ReceiptError::new(ReceiptErrorKind::InvalidValue, detail));
    }
    if old_size == 0 {
        return Ok(Vec::new());
    }
    let (mut first, mut end) = (0, size);
    let mut path = Vec::new();
    while old_size != end {
        let middle = first + split(end - first);
        if old_size <= middle {
            path.push(tiles.subtree(middle, end)?);
            end = middle;
        } else {
            path.push(tiles.subtree(first, middle)?);
            first = middle;
        }
    }
    // The old tree is a subtree of the new one, whose hash the verifier knows if it is the whole old tree.
    if first != 0 {
        path.push(tiles.subtree(first, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Verifies that the tree with the size and root `old` is the beginning of the tree `new`.
///
/// # Errors
///
/// `WrongProof`.
pub fn verify_consistency(
    old: (u64, TreeHash),
    new: (u64, TreeHash),
    proof: &[TreeHash],
) -> Result<(), ReceiptError> {
    let wrong = || wrong_proof("the later checkpoint does not contain the tree of the earlier one");
    let ((old_size, old_root), (size, root)) = (old, new);
    if old_size > size {
        return Err(wrong());
    }
    if old_size == size || old_size == 0 {
        let is_same = if old_size == 0 {
            old_root == TreeHash::of_nothing()
        } else {
            old_root == root
        };
        return if is_same && proof.is_empty() {
            Ok(())
        } else {
            Err(wrong())
        };
    }
    let mut path = proof.iter().copied();
    let (mut node, mut last) = (old_size - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let start = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        path.next()
    };
    let start = start.ok_or_else(wrong)?;
    let (mut old_hash, mut hash) = (start, start);
    for sibling in path {
        if last == 0 {
            return Err(wrong());
        }
        if node & 1 == 1 || node == last {
            old_hash = TreeHash::of_node(sibling, old_hash);
            hash = TreeHash::of_node(sibling, hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = TreeHash::of_node(hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && old_hash == old_root && hash == root {
        Ok(())
    } else {
        Err(wrong())
    }
}

fn wrong_proof(detail: &str) -> ReceiptError {
    ReceiptError::new(ReceiptErrorKind::WrongProof, detail)
}
