//! Removed and condemned ids.

use std::collections::HashSet;
use std::sync::Arc;

use artifact_store::{
    ArtifactId, CatalogInventory, ErrorKind, Removal, RemovalPage, Row, RowPosition,
};
use futures_util::future::{join, join_all};

use super::{host, id, insert_all, insert_numbered, listed, numbered};
use crate::support::{other_experiment, row};

async fn assert_refused(rows: &dyn CatalogInventory, new: &Row) {
    let error = rows.insert(new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert_eq!(error.id(), Some(new.id));
    assert_eq!(rows.get(new.id).await.unwrap(), None);
}

async fn removals(rows: &dyn CatalogInventory, after: RowPosition) -> RemovalPage {
    rows.removals(after, 1_000).await.unwrap()
}

pub(super) async fn a_removed_id_never_gets_a_row_again(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_all(&*rows, &[1, 2].map(row)).await;
    assert_eq!(rows.remove(id(1)).await.unwrap(), Removal::Removed);
    assert_eq!(rows.remove(id(1)).await.unwrap(), Removal::Absent);
    assert_refused(&*rows, &row(1)).await;
    let mut other = row(1);
    other.experiment = other_experiment();
    assert_refused(&*rows, &other).await;
    assert_eq!(rows.get(id(2)).await.unwrap(), Some(row(2)));
}

pub(super) async fn an_absent_id_never_gets_a_row_after_its_removal(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    assert_eq!(rows.remove(id(1)).await.unwrap(), Removal::Absent);
    assert_eq!(
        rows.remove_expired(id(2)).await.unwrap(),
        Some(Removal::Absent)
    );
    for n in [1, 2] {
        assert_refused(&*rows, &row(n)).await;
    }
    let page = removals(&*rows, RowPosition::START).await;
    assert_eq!(page.ids, [1, 2].map(id));
}

pub(super) async fn deletion_leaves_a_removal_too(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_all(&*rows, &[row(1)]).await;
    for n in [1, 1, 2, 2] {
        rows.delete(id(n)).await.unwrap();
    }
    for n in [1, 2] {
        assert_refused(&*rows, &row(n)).await;
    }
    let page = removals(&*rows, RowPosition::START).await;
    assert_eq!(page.ids, [1, 2].map(id));
}

pub(super) async fn condemned_ids_never_get_a_row(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_all(&*rows, &[1, 2].map(row)).await;
    rows.remove(id(2)).await.unwrap();
    assert_eq!(rows.condemn(&[]).await.unwrap(), []);
    for _ in 0..2 {
        let mut condemned = rows.condemn(&[1, 2, 3, 4].map(id)).await.unwrap();
        condemned.sort_unstable();
        assert_eq!(condemned, [2, 3, 4].map(id));
    }
    for n in [2, 3, 4] {
        assert_refused(&*rows, &row(n)).await;
    }
    assert_eq!(rows.get(id(1)).await.unwrap(), Some(row(1)));
    assert_eq!(listed(&*rows, 10).await, [id(1)]);
    let page = removals(&*rows, RowPosition::START).await;
    assert_eq!(page.ids.len(), 3, "none is listed twice");
}

pub(super) async fn of_insert_and_condemn_one_wins(rows: Arc<dyn CatalogInventory>) {
    const RACES: u16 = 200;
    host(&*rows).await;
    let races = (0..RACES).map(|n| {
        let (one, two) = (Arc::clone(&rows), Arc::clone(&rows));
        let insert = tokio::spawn(async move { one.insert(&numbered(n)).await });
        // Some alone, some with the ids of other races.
        let ids: Vec<_> = (n..n + 1 + n % 4).map(|n| numbered(n).id).collect();
        let condemn = tokio::spawn(async move { two.condemn(&ids).await.unwrap() });
        join(insert, condemn)
    });
    let races = join_all(races).await;
    let mut condemned = HashSet::<ArtifactId>::new();
    for (_, ids) in &races {
        condemned.extend(ids.as_ref().unwrap());
    }
    for (n, (inserted, _)) in (0..).zip(races) {
        let new = numbered(n);
        match inserted.unwrap() {
            Ok(()) => {
                assert!(!condemned.contains(&new.id), "{n}");
                assert_eq!(rows.get(new.id).await.unwrap(), Some(new));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
                assert!(condemned.contains(&new.id), "{n}");
                assert_eq!(rows.get(new.id).await.unwrap(), None);
            }
        }
    }
}

pub(super) async fn of_insert_and_remove_one_order_is_kept(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    for n in 0..100 {
        let (one, two) = (Arc::clone(&rows), Arc::clone(&rows));
        let insert = tokio::spawn(async move { one.insert(&numbered(n)).await });
        let remove = tokio::spawn(async move { two.remove(numbered(n).id).await });
        let removal = remove.await.unwrap().unwrap();
        match insert.await.unwrap() {
            Ok(()) => assert_eq!(removal, Removal::Removed),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists);
                assert_eq!(removal, Removal::Absent);
            }
        }
        assert_eq!(rows.get(numbered(n).id).await.unwrap(), None);
    }
    let page = removals(&*rows, RowPosition::START).await;
    assert_eq!(page.ids.len(), 100);
}

pub(super) async fn the_feed_lists_each_removal_once_in_order(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    assert_eq!(rows.last_removal().await.unwrap(), RowPosition::START);
    let page = removals(&*rows, RowPosition::START).await;
    assert_eq!(page, RemovalPage::default());
    insert_all(&*rows, &[1, 2, 3].map(row)).await;
    assert_eq!(rows.last_removal().await.unwrap(), RowPosition::START);

    rows.remove(id(3)).await.unwrap();
    let first = rows.last_removal().await.unwrap();
    assert!(first > RowPosition::START);
    // The position of a removal does not depend on that of its row.
    rows.remove(id(1)).await.unwrap();
    rows.condemn(&[id(7)]).await.unwrap();
    rows.remove(id(1)).await.unwrap();
    let last = rows.last_removal().await.unwrap();
    insert_all(&*rows, &[row(4)]).await;
    assert_eq!(rows.last_removal().await.unwrap(), last);

    let page = removals(&*rows, RowPosition::START).await;
    assert_eq!(page, RemovalPage::new([3, 1, 7].map(id).to_vec(), last));
    let page = removals(&*rows, first).await;
    assert_eq!(page, RemovalPage::new([1, 7].map(id).to_vec(), last));
    let page = removals(&*rows, last).await;
    assert_eq!(page, RemovalPage::new(Vec::new(), last));
    let (mut after, mut ids) = (RowPosition::START, Vec::new());
    for _ in 0..3 {
        let page = rows.removals(after, 1).await.unwrap();
        assert!(page.next > after);
        assert_eq!(page.ids.len(), 1);
        after = page.next;
        ids.extend(page.ids);
    }
    assert_eq!((ids, after), ([3, 1, 7].map(id).to_vec(), last));
    let one = rows.removals(RowPosition::START, 0).await.unwrap();
    assert_eq!(one.ids, [id(3)]);
}

pub(super) async fn the_feed_misses_no_concurrent_removal(rows: Arc<dyn CatalogInventory>) {
    const TASKS: u16 = 6;
    const EACH: u16 = 30;
    host(&*rows).await;
    insert_numbered(&rows, 0..TASKS * EACH / 2).await;
    let tasks = (0..TASKS).map(|task| {
        let rows = Arc::clone(&rows);
        tokio::spawn(async move {
            // Removes rows in half of the tasks, and condemns absent ids in the others.
            for n in task * EACH..(task + 1) * EACH {
                rows.remove(numbered(n).id).await.unwrap();
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let (mut after, mut ids) = (RowPosition::START, Vec::<ArtifactId>::new());
    while ids.len() < usize::from(TASKS * EACH) {
        // What a poll sees is in the next page.
        let seen = rows.last_removal().await.unwrap();
        assert!(seen >= after);
        let page = removals(&*rows, after).await;
        assert!(page.next >= seen, "{page:?} {seen:?}");
        ids.extend(&page.ids);
        after = page.next;
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), usize::from(TASKS * EACH));
    assert_eq!(removals(&*rows, after).await.ids, []);
}

pub(super) async fn calls_take_a_thousand_ids(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let ids: Vec<_> = (0..1_001).map(|n| numbered(n).id).collect();
    let error = rows.condemn(&ids).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(removals(&*rows, RowPosition::START).await.ids, []);
    assert_eq!(rows.condemn(&ids[..1_000]).await.unwrap().len(), 1_000);
    assert_eq!(removals(&*rows, RowPosition::START).await.ids.len(), 1_000);
}
