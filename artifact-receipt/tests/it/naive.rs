//! RFC 6962, section 2.1, word for word: slow, and without tiles.

use artifact_receipt::TreeHash;

/// Returns leaves that all differ.
pub(crate) fn leaves(count: u64) -> Vec<TreeHash> {
    let leaf = |index: u64| TreeHash::of_leaf(&index.to_be_bytes());
    (0..count).map(leaf).collect()
}

fn split(count: usize) -> usize {
    let mut k = 1;
    while k * 2 < count {
        k *= 2;
    }
    k
}

/// MTH(D)
pub(crate) fn root(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash::of_nothing(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            TreeHash::of_node(root(left), root(right))
        }
    }
}

/// PATH(m, D)
pub(crate) fn path(index: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut below, sibling) = if index < k {
        (path(index, left), root(right))
    } else {
        (path(index - k, right), root(left))
    };
    below.push(sibling);
    below
}

/// PROOF(m, D)
pub(crate) fn consistency(old: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    fn subproof(m: usize, leaves: &[TreeHash], is_whole: bool) -> Vec<TreeHash> {
        if m == leaves.len() {
            return if is_whole {
                Vec::new()
            } else {
                vec![root(leaves)]
            };
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut below, sibling) = if m <= k {
            (subproof(m, left, is_whole), root(right))
        } else {
            (subproof(m - k, right, false), root(left))
        };
        below.push(sibling);
        below
    }
    subproof(old, leaves, true)
}
