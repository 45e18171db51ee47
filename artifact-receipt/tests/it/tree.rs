//! The tree against RFC 6962, computed naively.

use artifact_backend::Sha256Digest;
use artifact_receipt::{
    Frontier, ReceiptErrorKind, TileSet, TreeHash, consistency_proof, inclusion_proof,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use crate::naive;

fn grown(size: u64) -> (Frontier, TileSet) {
    let (mut log, mut tiles) = (Frontier::default(), TileSet::default());
    for leaf in naive::leaves(size) {
        tiles.extend(log.push(leaf));
    }
    (log, tiles)
}

fn hex(bytes: &[u8; 32]) -> String {
    Sha256Digest::from_bytes(*bytes).to_string()
}

#[test]
fn roots_are_those_of_the_vectors_of_certificate_transparency() {
    let leaves: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut log = Frontier::default();
    assert_eq!(
        hex(log.root().as_bytes()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (leaf, root) in leaves.iter().zip(roots) {
        log.push(TreeHash::of_leaf(leaf));
        assert_eq!(hex(log.root().as_bytes()), root, "{} leaves", log.size());
    }
}

#[test]
fn every_root_and_proof_is_that_of_rfc_6962() {
    const MAX: u64 = 530;
    let all = naive::leaves(MAX);
    let (mut log, mut tiles) = (Frontier::default(), TileSet::default());
    let mut roots = vec![log.root()];
    for size in 1..=MAX {
        tiles.extend(log.push(all[size as usize - 1]));
        let leaves = &all[..size as usize];
        let root = naive::root(leaves);
        assert_eq!(log.root(), root, "the edge of {size} leaves");
        assert_eq!(tiles.root(size), Ok(root), "the tiles of {size} leaves");
        roots.push(root);
        let near_tile = size % 256 < 3 || size % 256 > 253;
        if size > 70 && !near_tile && size % 37 != 0 {
            continue;
        }
        for index in 0..size {
            let proof = inclusion_proof(&tiles, index, size).unwrap();
            assert_eq!(
                proof,
                naive::path(index as usize, leaves),
                "{index} of {size}"
            );
            verify_inclusion(all[index as usize], index, size, &proof, root).unwrap();
        }
        for old in 1..=size {
            let proof = consistency_proof(&tiles, old, size).unwrap();
            assert_eq!(
                proof,
                naive::consistency(old as usize, leaves),
                "{old} in {size}"
            );
            verify_consistency((old, roots[old as usize]), (size, root), &proof).unwrap();
        }
    }
}

#[test]
fn larger_trees_have_three_levels_of_tiles() {
    let all = naive::leaves(65_793);
    let (mut log, mut tiles) = (Frontier::default(), TileSet::default());
    for (leaf, size) in all.iter().zip(1..) {
        tiles.extend(log.push(*leaf));
        if [65_535, 65_536, 65_537, 65_793].contains(&size) {
            let root = naive::root(&all[..size]);
            assert_eq!(log.root(), root);
            assert_eq!(tiles.root(size as u64), Ok(root));
            for index in [0, 255, 256, 65_279, 65_534] {
                let proof = inclusion_proof(&tiles, index, size as u64).unwrap();
                assert_eq!(proof, naive::path(index as usize, &all[..size]));
            }
        }
    }
}

#[test]
fn a_frontier_that_is_loaded_goes_on_as_if_it_had_never_stopped() {
    let all = naive::leaves(700);
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513, 600] {
        let (log, tiles) = grown(size);
        let edge: Vec<_> = Frontier::tiles(size)
            .into_iter()
            .map(|tile| {
                assert!(tile.width() < 256, "{tile}");
                let mut hashes: Vec<_> = all[..size as usize].to_vec();
                if tile.level() == 1 {
                    hashes = hashes.chunks_exact(256).map(naive::root).collect();
                }
                let nodes = tile.nodes();
                hashes[nodes.start as usize..nodes.end as usize].to_vec()
            })
            .collect();
        let mut loaded = Frontier::from_tiles(size, edge.clone()).unwrap();
        assert_eq!(loaded.root(), log.root(), "{size}");
        for leaf in &all[size as usize..] {
            loaded.push(*leaf);
        }
        assert_eq!(loaded.root(), naive::root(&all), "{size}");
        if let Some((_, fewer)) = edge.split_last() {
            let error = Frontier::from_tiles(size, fewer.to_vec()).unwrap_err();
            assert_eq!(error.kind(), ReceiptErrorKind::MissingHash);
        }
        drop(tiles);
    }
}

/// Keeps only the tiles that are named, as wide as they are named.
fn only(leaves: &[TreeHash], named: Vec<artifact_receipt::TileId>) -> TileSet {
    let mut levels = vec![leaves.to_vec()];
    while levels.last().unwrap().len() >= 256 {
        let above = levels.last().unwrap().chunks_exact(256).map(naive::root);
        levels.push(above.collect());
    }
    let mut tiles = TileSet::default();
    for tile in named {
        let nodes = tile.nodes();
        let hashes = &levels[usize::from(tile.level())][nodes.start as usize..nodes.end as usize];
        tiles.insert(tile, hashes.to_vec());
    }
    tiles
}

#[test]
fn the_named_tiles_suffice() {
    for size in [1, 2, 100, 255, 256, 257, 300, 512, 513, 1_000] {
        let leaves = naive::leaves(size);
        let root = only(&leaves, TileSet::needed_for_root(size)).root(size);
        assert_eq!(root, Ok(naive::root(&leaves)), "{size}");
        for index in [0, 1, size / 2, size.saturating_sub(2), size - 1] {
            let index = index.min(size - 1);
            let tiles = only(&leaves, TileSet::needed_for_inclusion(index, size));
            let proof = inclusion_proof(&tiles, index, size);
            assert_eq!(
                proof,
                Ok(naive::path(index as usize, &leaves)),
                "{index} of {size}"
            );
        }
        for old in 1..=size {
            let tiles = only(&leaves, TileSet::needed_for_consistency(old, size));
            let proof = consistency_proof(&tiles, old, size);
            assert_eq!(
                proof,
                Ok(naive::consistency(old as usize, &leaves)),
                "{old} in {size}"
            );
        }
    }
}

#[test]
fn missing_tiles_are_errors() {
    let (_, tiles) = grown(300);
    assert_eq!(
        tiles.root(301).unwrap_err().kind(),
        ReceiptErrorKind::MissingHash
    );
    let empty = TileSet::default();
    assert_eq!(
        inclusion_proof(&empty, 0, 2).unwrap_err().kind(),
        ReceiptErrorKind::MissingHash
    );
    assert_eq!(
        inclusion_proof(&tiles, 300, 300).unwrap_err().kind(),
        ReceiptErrorKind::InvalidValue
    );
    assert_eq!(
        consistency_proof(&tiles, 301, 300).unwrap_err().kind(),
        ReceiptErrorKind::InvalidValue
    );
}

#[test]
fn proofs_of_another_leaf_size_or_root_are_refused() {
    let size = 77;
    let leaves = naive::leaves(size);
    let (log, tiles) = grown(size);
    let root = log.root();
    for index in 0..size {
        let proof = inclusion_proof(&tiles, index, size).unwrap();
        let leaf = leaves[index as usize];
        for other in 0..size + 3 {
            let accepted = verify_inclusion(leaf, other, size, &proof, root).is_ok();
            assert_eq!(accepted, other == index, "{index} at {other}");
        }
        assert!(verify_inclusion(leaf, index, size, &proof[1..], root).is_err());
        let mut longer = proof.clone();
        longer.push(root);
        assert!(verify_inclusion(leaf, index, size, &longer, root).is_err());
        assert!(verify_inclusion(root, index, size, &proof, root).is_err());
        assert!(verify_inclusion(leaf, index, size, &proof, leaf).is_err());
        for place in 0..proof.len() {
            let mut changed = proof.clone();
            changed[place] = leaf;
            assert!(verify_inclusion(leaf, index, size, &changed, root).is_err());
        }
    }
    assert!(verify_inclusion(root, 0, 0, &[], root).is_err());
}

#[test]
fn trees_that_fork_or_shrink_have_no_proof() {
    let size = 40;
    let (log, tiles) = grown(size);
    let root = log.root();
    for old in 1..size {
        let proof = consistency_proof(&tiles, old, size).unwrap();
        let old_root = naive::root(&naive::leaves(old));
        let mut other = naive::leaves(old);
        other[old as usize / 2] = TreeHash::of_leaf(b"another");
        let forked = naive::root(&other);
        verify_consistency((old, old_root), (size, root), &proof).unwrap();
        assert!(verify_consistency((old, forked), (size, root), &proof).is_err());
        assert!(verify_consistency((old, old_root), (size, forked), &proof).is_err());
        assert!(verify_consistency((size, root), (old, old_root), &proof).is_err());
        assert!(verify_consistency((old, old_root), (size, root), &proof[1..]).is_err());
        for place in 0..proof.len() {
            let mut changed = proof.clone();
            changed[place] = forked;
            assert!(verify_consistency((old, old_root), (size, root), &changed).is_err());
        }
    }
    assert!(verify_consistency((size, root), (size, naive::root(&[])), &[]).is_err());
    verify_consistency((size, root), (size, root), &[]).unwrap();
    verify_consistency((0, naive::root(&[])), (size, root), &[]).unwrap();
    assert!(verify_consistency((0, root), (size, root), &[]).is_err());
}

proptest! {
    #[test]
    fn any_leaf_of_any_tree_has_a_proof(size in 1_u64..3_000, index in any::<u64>(), old in any::<u64>()) {
        let (index, old) = (index % size, old % size + 1);
        let leaves = naive::leaves(size);
        let (log, tiles) = grown(size);
        let root = log.root();
        prop_assert_eq!(root, naive::root(&leaves));
        let proof = inclusion_proof(&tiles, index, size).unwrap();
        prop_assert_eq!(&proof, &naive::path(index as usize, &leaves));
        verify_inclusion(leaves[index as usize], index, size, &proof, root).unwrap();
        let proof = consistency_proof(&tiles, old, size).unwrap();
        prop_assert_eq!(&proof, &naive::consistency(old as usize, &leaves));
        let old_root = tiles.root(old).unwrap();
        verify_consistency((old, old_root), (size, root), &proof).unwrap();
    }

    #[test]
    fn no_proof_makes_the_verifier_panic(index: u64, size: u64, hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let hashes: Vec<_> = hashes.into_iter().map(TreeHash::from_bytes).collect();
        let hash = TreeHash::of_nothing();
        let _ = verify_inclusion(hash, index, size, &hashes, hash);
        let _ = verify_consistency((index, hash), (size, hash), &hashes);
    }
}
