//! Lists, missing ids and usage.

use std::collections::HashSet;
use std::sync::Arc;

use artifact_store::{
    CatalogInventory, ContentType, ErrorKind, FileName, PrincipalId, PrincipalUsage, Row,
    RowFilter, RowPosition,
};
use futures_util::future::join_all;

use super::{host, id, insert_all, insert_numbered, listed, listed_after, numbered, worker_id};
use crate::support::{EXTERNAL, OTHER_WORKER, experiment, other_experiment, row, time};

pub(super) async fn rows_are_listed_in_the_order_of_their_insertion(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    assert_eq!(listed(&*rows, 10).await, []);
    // Neither the order of the ids nor that of the times.
    let order = [5, 1, 4, 2, 3];
    insert_all(&*rows, &order.map(row)).await;
    for limit in [1, 2, 5, 10] {
        assert_eq!(listed(&*rows, limit).await, order.map(id), "{limit}");
    }
    let page = rows
        .scan(&RowFilter::default(), RowPosition::START, 5)
        .await
        .unwrap();
    assert_eq!(page.next, None, "no page follows the last row");
    assert_eq!(*page.rows[1], row(1), "a list contains whole rows");
}

pub(super) async fn pages_have_at_most_the_limit(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_numbered(&rows, 0..1_003).await;
    for (limit, expected) in [(0, 1), (1, 1), (7, 7), (1_000, 1_000), (u32::MAX, 1_000)] {
        let all = RowFilter::default();
        let page = rows.scan(&all, RowPosition::START, limit).await.unwrap();
        assert_eq!(page.rows.len(), expected, "{limit}");
        assert!(page.next.is_some());
    }
    let ids: HashSet<_> = listed(&*rows, 1_000).await.into_iter().collect();
    assert_eq!(ids.len(), 1_003);
}

/// Returns rows that differ in every column that a filter looks at.
fn varied() -> Vec<Row> {
    let types = ["image/png", "IMAGE/jpeg; q=1", "text/plain;charset=utf-8"];
    let names = [None, Some("Report 100%_final.csv"), Some("ünï.txt")];
    let mut all = Vec::new();
    for n in 0..54 {
        let mut new = row(n)
            .with_content_type(ContentType::clean(types[usize::from(n) % 3]))
            .with_file_name(names[usize::from(n) / 3 % 3].and_then(FileName::clean));
        if n % 2 == 0 {
            new.experiment = other_experiment();
        }
        new.created_by = match n % 4 {
            0 => PrincipalId::Admin,
            1 => worker_id().into(),
            _ => EXTERNAL[1].parse().unwrap(),
        };
        all.push(new);
    }
    all
}

pub(super) async fn filters_select_what_they_say(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let all = varied();
    insert_all(&*rows, &all).await;
    let mut filters = vec![RowFilter::default(), RowFilter::of_experiment(experiment())];
    let mut add = |change: fn(&mut RowFilter)| {
        for experiment in [None, Some(experiment())] {
            let mut filter = RowFilter::default();
            filter.experiment = experiment;
            change(&mut filter);
            filters.push(filter);
        }
    };
    add(|filter| filter.created_by = Some(PrincipalId::Admin));
    add(|filter| filter.created_by = Some(EXTERNAL[1].parse().unwrap()));
    add(|filter| filter.created_from = Some(time(1_700_000_010)));
    add(|filter| filter.created_before = Some(time(1_700_000_010)));
    add(|filter| filter.min_size = Some(20));
    add(|filter| filter.max_size = Some(20));
    add(|filter| filter.content_type = Some("Text/Plain".into()));
    add(|filter| filter.content_type = Some("image/*".into()));
    // Nothing in a name is a pattern.
    add(|filter| filter.name_contains = Some("%_".into()));
    add(|filter| filter.name_contains = Some("report".into()));
    add(|filter| filter.name_contains = Some("ï".into()));
    add(|filter| {
        filter.created_by = Some(worker_id().into());
        filter.created_from = Some(time(1_700_000_005));
        filter.max_size = Some(40);
        filter.content_type = Some("image/*".into());
    });
    let mut numbers = HashSet::new();
    for filter in filters {
        let expected: Vec<_> = all
            .iter()
            .filter(|row| filter.selects(row))
            .map(|row| row.id)
            .collect();
        for limit in [1, 5, 100] {
            let found = listed_after(&*rows, &filter, RowPosition::START, limit).await;
            assert_eq!(found, expected, "{filter:?}");
        }
        numbers.insert(expected.len());
    }
    assert!(numbers.len() > 8, "the filters differ: {numbers:?}");
    let absent = RowFilter::of_experiment("absent".parse().unwrap());
    let found = listed_after(&*rows, &absent, RowPosition::START, 5).await;
    assert_eq!(found, []);
}

pub(super) async fn rows_inserted_between_pages_are_on_later_pages(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    insert_all(&*rows, &[1, 2, 3].map(row)).await;
    let filter = RowFilter::of_experiment(experiment());
    let first = rows.scan(&filter, RowPosition::START, 2).await.unwrap();
    // Its time and its id are before the others.
    insert_all(&*rows, &[row(0)]).await;
    let ids: Vec<_> = first.rows.iter().map(|row| row.id).collect();
    assert_eq!(ids, [id(1), id(2)]);
    let rest = listed_after(&*rows, &filter, first.next.unwrap(), 2).await;
    assert_eq!(rest, [id(3), id(0)]);
}

pub(super) async fn concurrent_inserts_neither_skip_nor_repeat_rows(
    rows: Arc<dyn CatalogInventory>,
) {
    const TASKS: u16 = 8;
    const EACH: u16 = 40;
    host(&*rows).await;
    let inserts = (0..TASKS).map(|task| {
        let rows = Arc::clone(&rows);
        tokio::spawn(async move {
            for n in task * EACH..(task + 1) * EACH {
                rows.insert(&numbered(n)).await.unwrap();
            }
        })
    });
    let inserts: Vec<_> = inserts.collect();
    let filter = RowFilter::of_experiment(experiment());
    let (mut after, mut ids) = (RowPosition::START, Vec::new());
    while ids.len() < 200 {
        let page = rows.scan(&filter, after, 7).await.unwrap();
        // A last page may become longer, so it is read again.
        if let Some(next) = page.next {
            ids.extend(page.rows.iter().map(|row| row.id));
            after = next;
        }
        tokio::task::yield_now().await;
    }
    for done in join_all(inserts).await {
        done.unwrap();
    }
    ids.extend(listed_after(&*rows, &filter, after, 7).await);
    let distinct: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), usize::from(TASKS * EACH));
    assert_eq!(distinct.len(), ids.len());
}

pub(super) async fn removed_rows_are_not_listed_and_positions_stay_valid(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    insert_all(&*rows, &[1, 2, 3, 4].map(row)).await;
    let all = RowFilter::default();
    let page = rows.scan(&all, RowPosition::START, 2).await.unwrap();
    rows.remove(id(2)).await.unwrap();
    rows.remove(id(3)).await.unwrap();
    rows.condemn(&[id(9)]).await.unwrap();
    insert_all(&*rows, &[row(5)]).await;
    let rest = listed_after(&*rows, &all, page.next.unwrap(), 2).await;
    assert_eq!(rest, [id(4), id(5)]);
    assert_eq!(listed(&*rows, 1).await, [1, 4, 5].map(id));
    let filter = RowFilter::of_experiment(experiment());
    let found = listed_after(&*rows, &filter, RowPosition::START, 1).await;
    assert_eq!(found, [1, 4, 5].map(id));
}

pub(super) async fn ids_without_a_row_are_missing(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    insert_all(&*rows, &[1, 2, 3].map(row)).await;
    rows.remove(id(2)).await.unwrap();
    rows.condemn(&[id(4)]).await.unwrap();
    assert_eq!(rows.missing(&[]).await.unwrap(), []);
    let mut missing = rows.missing(&[1, 2, 3, 4, 5].map(id)).await.unwrap();
    missing.sort_unstable();
    assert_eq!(missing, [2, 4, 5].map(id));
    let many: Vec<_> = (0..1_000).map(|n| numbered(n).id).collect();
    assert_eq!(rows.missing(&many).await.unwrap().len(), 1_000);
}

pub(super) async fn usage_adds_up_the_rows_of_each_principal(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    assert_eq!(rows.usage(&experiment(), None).await.unwrap(), []);
    let sized = |n: u8, created_by: &str, size: u64| {
        let mut sized = row(n);
        sized.created_by = created_by.parse().unwrap();
        sized.size = size;
        sized
    };
    let half = i64::MAX as u64;
    let mut elsewhere = row(9);
    elsewhere.experiment = other_experiment();
    let all = [
        sized(1, OTHER_WORKER, 5),
        sized(2, OTHER_WORKER, 0),
        sized(3, "admin", half),
        sized(4, "admin", half),
        sized(5, "Zoe", half),
        sized(6, "Zoe", half),
        sized(7, "Zoe", half),
        sized(8, "admin", 7),
        elsewhere,
    ];
    insert_all(&*rows, &all).await;
    rows.remove(id(8)).await.unwrap();
    let used = |created_by: &str, artifacts, bytes| {
        PrincipalUsage::new(created_by.parse().unwrap(), artifacts, bytes)
    };
    let expected = [
        used("Zoe", 3, u64::MAX),
        used("admin", 2, 2 * half),
        used(OTHER_WORKER, 2, 5),
    ];
    assert_eq!(rows.usage(&experiment(), None).await.unwrap(), expected);
    for total in &expected {
        let own = rows.usage(&experiment(), Some(&total.created_by)).await;
        assert_eq!(own.unwrap(), std::slice::from_ref(total));
    }
    let other = "zoe".parse().unwrap();
    let nothing = rows.usage(&experiment(), Some(&other)).await;
    assert_eq!(nothing.unwrap(), []);
    let absent = "absent".parse().unwrap();
    assert_eq!(rows.usage(&absent, None).await.unwrap(), []);
    let error = rows.missing(&[id(1); 1_001]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
}
