//! Rows that are staged and published.

use std::sync::Arc;

use artifact_store::{
    CatalogInventory, ErrorKind, Experiment, ImportId, RowFilter, RowPosition, StagedRow,
};

use super::{hold, host, id, insert_all, listed, numbered};
use crate::support::{bytes, chunk_digests, experiment, other_experiment, row, time, worker_id};

fn staged(n: u8) -> StagedRow {
    StagedRow::new(row(n))
}

pub(super) async fn staged_rows_are_no_rows_until_they_are_published(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    insert_all(&*rows, &[row(9)]).await;
    let import = ImportId::mint();
    let special = row(3)
        .with_expires_at(time(2_000_000_000))
        .with_file_name(artifact_store::FileName::clean("a b.txt"));
    let last = StagedRow::new(special).with_hold(hold(3));
    rows.stage(import, &[staged(2), staged(1)]).await.unwrap();
    rows.stage(import, std::slice::from_ref(&last))
        .await
        .unwrap();

    let ids = [1, 2, 3].map(id);
    assert_eq!(rows.missing(&ids).await.unwrap(), ids);
    assert_eq!(rows.removed(&ids).await.unwrap(), []);
    assert_eq!(rows.get(id(1)).await.unwrap(), None);
    assert_eq!(rows.find_hold(id(3)).await.unwrap(), None);
    assert_eq!(listed(&*rows, 5).await, [id(9)]);
    assert_eq!(rows.usage(&experiment(), None).await.unwrap().len(), 1);

    let all = RowFilter::default();
    let before = rows.scan(&all, RowPosition::START, 1).await.unwrap();
    rows.publish(import, 3).await.unwrap();
    assert_eq!(before.rows.len(), 1);
    assert_eq!(listed(&*rows, 5).await, [9, 2, 1, 3].map(id));
    assert_eq!(rows.get(id(2)).await.unwrap(), Some(row(2)));
    assert_eq!(rows.get(id(3)).await.unwrap(), Some(last.row));
    assert_eq!(rows.find_hold(id(3)).await.unwrap(), Some(hold(3)));
    assert_eq!(rows.find_hold(id(2)).await.unwrap(), None);
    let usage = rows.usage(&experiment(), None).await.unwrap();
    assert_eq!(
        (usage[0].artifacts, &usage[0].created_by),
        (4, &worker_id().into())
    );

    // Nothing of it is staged any more.
    let error = rows.publish(import, 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    rows.stage(import, &[staged(4)]).await.unwrap();
    rows.publish(import, 1).await.unwrap();
    assert_eq!(listed(&*rows, 5).await, [9, 2, 1, 3, 4].map(id));
}

pub(super) async fn staged_chunk_digests_are_published_with_their_rows(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    let (first, second) = (ImportId::mint(), ImportId::mint());
    let sized = |n: u8| {
        let content = bytes(100_000 + usize::from(n));
        let mut staged = staged(n);
        staged.row.size = content.len() as u64;
        staged.with_chunk_digests(chunk_digests(&content))
    };
    let mut wrong = sized(1);
    wrong.row.size = 300_000;
    let error = rows.stage(first, &[wrong]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    let with_hold = sized(2).with_hold(hold(2));
    rows.stage(first, &[sized(1), staged(4), with_hold])
        .await
        .unwrap();
    // Another import takes an id over, and its digests.
    let later = sized(2).with_chunk_digests(None);
    rows.stage(second, &[later, sized(3)]).await.unwrap();
    assert_eq!(rows.chunk_digests(id(3)).await.unwrap(), None);
    rows.publish(second, 2).await.unwrap();
    assert_eq!(rows.chunk_digests(id(2)).await.unwrap(), None);
    let published = rows.chunk_digests(id(3)).await.unwrap();
    assert_eq!(published, sized(3).chunk_digests);
    assert!(published.is_some());

    let third = ImportId::mint();
    rows.stage(third, &[sized(1), staged(4)]).await.unwrap();
    rows.publish(third, 2).await.unwrap();
    assert_eq!(
        rows.chunk_digests(id(1)).await.unwrap(),
        sized(1).chunk_digests
    );
    assert_eq!(rows.chunk_digests(id(4)).await.unwrap(), None);
    rows.remove(id(1)).await.unwrap();
    assert_eq!(rows.chunk_digests(id(1)).await.unwrap(), None);
}

pub(super) async fn an_import_publishes_all_its_rows_or_none(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    // An id that has a row by now, one that was condemned before it was staged, and one that was removed.
    insert_all(&*rows, &[row(3)]).await;
    rows.remove(id(3)).await.unwrap();
    rows.condemn(&[id(2)]).await.unwrap();
    let asked = [1, 2, 3].map(id);
    let mut removed = rows.removed(&asked).await.unwrap();
    removed.sort_unstable();
    assert_eq!(removed, [2, 3].map(id));
    for taken in [2, 3, 4] {
        let import = ImportId::mint();
        rows.stage(import, &[staged(1), staged(taken), staged(5)])
            .await
            .unwrap();
        if taken == 4 {
            insert_all(&*rows, &[row(4)]).await;
        }
        let error = rows.publish(import, 3).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{taken}: {error}");
    }
    let import = ImportId::mint();
    let mut foreign = row(7);
    foreign.experiment = "exp-9".parse().unwrap();
    rows.stage(import, &[staged(1), StagedRow::new(foreign.clone())])
        .await
        .unwrap();
    let error = rows.publish(import, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    for number in [1, 3] {
        let error = rows.publish(import, number).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(listed(&*rows, 5).await, [id(4)]);

    let new = Experiment::new(foreign.experiment.clone(), time(1));
    rows.create_experiment(&new).await.unwrap();
    rows.publish(import, 2).await.unwrap();
    assert_eq!(listed(&*rows, 5).await, [4, 1, 7].map(id));
}

pub(super) async fn an_import_stages_each_id_once(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let import = ImportId::mint();
    rows.stage(import, &[staged(1), staged(2)]).await.unwrap();
    for again in [&[staged(3), staged(2)][..], &[staged(4), staged(4)]] {
        let error = rows.stage(import, again).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    // The refused calls have staged nothing.
    rows.publish(import, 2).await.unwrap();
    assert_eq!(listed(&*rows, 5).await, [1, 2].map(id));

    let mut large = staged(5);
    large.row.size = u64::MAX;
    let error = rows.stage(import, &[large]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.id()),
        (ErrorKind::TooLarge, Some(id(5)))
    );
    let many: Vec<_> = (0..1_001).map(|n| StagedRow::new(numbered(n))).collect();
    let error = rows.stage(import, &many).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    rows.stage(import, &many[..1_000]).await.unwrap();
    rows.publish(import, 1_000).await.unwrap();
    assert_eq!(listed(&*rows, 1_000).await.len(), 1_002);
}

pub(super) async fn a_later_import_takes_staged_ids_over(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let (first, second) = (ImportId::mint(), ImportId::mint());
    rows.stage(first, &[staged(1), staged(2)]).await.unwrap();
    let mut other = staged(2);
    other.row.experiment = other_experiment();
    rows.stage(second, &[other.clone(), staged(3)])
        .await
        .unwrap();
    let error = rows.publish(first, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(listed(&*rows, 5).await, []);
    rows.publish(second, 2).await.unwrap();
    assert_eq!(rows.get(id(2)).await.unwrap(), Some(other.row));
    assert_eq!(listed(&*rows, 5).await, [2, 3].map(id));
}

pub(super) async fn staged_ids_are_not_condemned(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let import = ImportId::mint();
    rows.stage(import, &[staged(1), staged(2)]).await.unwrap();
    let asked = [1, 2, 3].map(id);
    assert_eq!(rows.condemn(&asked).await.unwrap(), [id(3)]);
    assert_eq!(rows.removed(&asked).await.unwrap(), [id(3)]);
    rows.publish(import, 2).await.unwrap();
    assert_eq!(rows.condemn(&asked).await.unwrap(), [id(3)]);
    assert_eq!(listed(&*rows, 5).await, [1, 2].map(id));
    rows.remove(id(1)).await.unwrap();
    assert_eq!(rows.condemn(&asked).await.unwrap(), [1, 3].map(id));
}
