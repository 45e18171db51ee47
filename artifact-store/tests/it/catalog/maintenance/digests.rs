//! Chunk digests.

use std::sync::Arc;

use artifact_store::{CatalogInventory, ChunkDigests, ChunkHasher, ErrorKind, Removal, Row};
use futures_util::future::join_all;

use super::{host, id, numbered, row};
use crate::support::other_experiment;

/// Returns the digests of `size` bytes with this value.
fn digests(size: u64, value: u8) -> ChunkDigests {
    let mut hasher = ChunkHasher::new();
    let block = vec![value; 1 << 20];
    let mut left = usize::try_from(size).unwrap();
    while left > 0 {
        let length = left.min(block.len());
        hasher.update(&block[..length]);
        left -= length;
    }
    hasher.finish().unwrap()
}

fn sized(mut row: Row, size: u64) -> Row {
    row.size = size;
    row
}

pub(super) async fn digests_are_kept_beside_their_row_and_removed_with_it(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    let (size, mine, other) = (200_000, digests(200_000, 1), digests(200_000, 2));
    assert_ne!(mine, other);
    rows.insert_with(&sized(row(1), size), Some(&mine), None)
        .await
        .unwrap();
    rows.insert_with(&sized(row(2), size), Some(&other), None)
        .await
        .unwrap();
    rows.insert(&row(3)).await.unwrap();
    assert_eq!(rows.chunk_digests(id(1)).await.unwrap(), Some(mine));
    assert_eq!(
        rows.chunk_digests(id(2)).await.unwrap(),
        Some(other.clone())
    );
    for none in [3, 4] {
        assert_eq!(rows.chunk_digests(id(none)).await.unwrap(), None);
    }
    assert_eq!(rows.get(id(1)).await.unwrap(), Some(sized(row(1), size)));

    assert_eq!(rows.remove(id(1)).await.unwrap(), Removal::Removed);
    assert_eq!(rows.chunk_digests(id(1)).await.unwrap(), None);
    rows.delete(id(3)).await.unwrap();
    assert_eq!(rows.chunk_digests(id(2)).await.unwrap(), Some(other));
    rows.delete(id(2)).await.unwrap();
    assert_eq!(rows.chunk_digests(id(2)).await.unwrap(), None);
}

pub(super) async fn digests_are_added_once_to_a_row_that_has_none(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let (size, mine, other) = (200_000, digests(200_000, 1), digests(200_000, 2));
    assert!(
        !rows.add_chunk_digests(id(1), &mine).await.unwrap(),
        "no row"
    );
    rows.insert(&sized(row(1), size)).await.unwrap();
    assert!(rows.add_chunk_digests(id(1), &mine).await.unwrap());
    for again in [&mine, &other] {
        assert!(!rows.add_chunk_digests(id(1), again).await.unwrap());
    }
    assert_eq!(rows.chunk_digests(id(1)).await.unwrap(), Some(mine.clone()));
    rows.remove(id(1)).await.unwrap();
    assert!(
        !rows.add_chunk_digests(id(1), &mine).await.unwrap(),
        "removed"
    );
    assert_eq!(rows.chunk_digests(id(1)).await.unwrap(), None);
}

pub(super) async fn digests_of_an_artifact_of_another_size_are_refused(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    let digests = digests(200_000, 1);
    for size in [0, 1, 196_608, 262_145, u64::from(u32::MAX)] {
        let row = sized(row(1), size);
        let error = rows
            .insert_with(&row, Some(&digests), None)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{size}");
    }
    assert_eq!(rows.get(id(1)).await.unwrap(), None);
}

pub(super) async fn refused_rows_leave_no_digests(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let (size, mine, other) = (200_000, digests(200_000, 1), digests(200_000, 2));
    rows.insert(&sized(row(1), size)).await.unwrap();
    rows.remove(id(2)).await.unwrap();
    let mut homeless = sized(row(3), size);
    homeless.experiment = "exp-9".parse().unwrap();
    let refused = [sized(row(1), size), sized(row(2), size), homeless];
    // Together with others, which are written.
    let others = (10..20).map(|n| {
        let mut row = sized(numbered(n), size);
        row.experiment = other_experiment();
        row
    });
    let all: Vec<_> = refused.into_iter().chain(others).collect();
    let inserts = all
        .iter()
        .map(|row| rows.insert_with(row, Some(&mine), None));
    let outcomes = join_all(inserts).await;
    let kinds = outcomes[..3]
        .iter()
        .map(|outcome| outcome.as_ref().unwrap_err().kind());
    let expected = [
        ErrorKind::AlreadyExists,
        ErrorKind::AlreadyExists,
        ErrorKind::NotFound,
    ];
    assert!(kinds.eq(expected), "{outcomes:?}");
    for (n, row) in all.iter().enumerate() {
        let stored = rows.chunk_digests(row.id).await.unwrap();
        assert_eq!(stored, (n >= 3).then(|| mine.clone()), "{n}");
        assert!(n < 3 || outcomes[n].is_ok());
    }
    assert!(rows.add_chunk_digests(id(1), &other).await.unwrap());
}

pub(super) async fn the_longest_lists_of_concurrent_rows_are_kept(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let size = 256 << 20;
    let longest = digests(size, 7);
    assert_eq!(longest.as_bytes().len(), 128 << 10);
    let all: Vec<_> = (0..20).map(|n| sized(numbered(n), size)).collect();
    let inserts = all
        .iter()
        .map(|row| rows.insert_with(row, Some(&longest), None));
    for inserted in join_all(inserts).await {
        inserted.unwrap();
    }
    for row in &all {
        let stored = rows.chunk_digests(row.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(&longest));
    }
}
