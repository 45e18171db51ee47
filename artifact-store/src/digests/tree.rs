//! The tree of BLAKE3.

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

/// The size of a digest in bytes.
pub(super) const DIGEST: usize = blake3::OUT_LEN;

/// Creates the hasher of a subtree that begins at `offset`. The subtree has at most as many bytes as the largest power of two
/// that divides the offset.
pub(crate) fn subtree(offset: u64) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset);
    hasher
}

/// Merges the digests of neighbours, so that a digest stands for twice as many bytes. The last one stays as it is if
/// it has no neighbour.
pub(super) fn merge_pairs(digests: &mut Vec<ChainingValue>) {
    let mut merged = 0;
    for index in (0..digests.len()).step_by(2) {
        digests[merged] = match digests[index..] {
            [left, right, ..] => merge_subtrees_non_root(&left, &right, Mode::Hash),
            [last] => last,
            [] => break,
        };
        merged += 1;
    }
    digests.truncate(merged);
}

/// Returns the digest of the subtree that consists of these subtrees, or `None` without any. All but the last have the same
/// number of bytes.
pub(super) fn merge_all(mut digests: Vec<ChainingValue>) -> Option<ChainingValue> {
    while digests.len() > 1 {
        merge_pairs(&mut digests);
    }
    digests.pop()
}

/// Returns the BLAKE3 hash of the bytes under these subtrees, or `None` for fewer than two.
pub(super) fn root(mut digests: Vec<ChainingValue>) -> Option<blake3::Hash> {
    while digests.len() > 2 {
        merge_pairs(&mut digests);
    }
    match digests[..] {
        [left, right] => Some(merge_subtrees_root(&left, &right, Mode::Hash)),
        _ => None,
    }
}
