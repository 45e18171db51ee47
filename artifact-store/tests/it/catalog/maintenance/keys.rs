//! The keys of deposits.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use artifact_backend::ManualClock;
use artifact_store::{
    ArtifactId, CatalogInventory, Deadline, ErrorKind, IdempotencyKey, PrincipalId, Row,
};
use futures_util::future::join_all;

use super::{host, id, numbered};
use crate::support::{chunk_digests, experiment, other_experiment, row};

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

async fn insert(
    rows: &dyn CatalogInventory,
    row: &Row,
    text: &str,
) -> artifact_store::Result<bool> {
    rows.insert_keyed(row, None, None, &key(text)).await
}

/// Finds the key of the depositor of [`row`].
async fn find(rows: &dyn CatalogInventory, text: &str) -> Option<ArtifactId> {
    let depositor = row(1).created_by;
    rows.find_keyed(&experiment(), &depositor, &key(text))
        .await
        .unwrap()
}

pub(super) async fn a_key_writes_one_row(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    assert_eq!(find(&*rows, "k").await, None);
    let bytes = crate::support::bytes(200_000);
    let digests = chunk_digests(&bytes).unwrap();
    let mut first = row(1);
    first.size = 200_000;
    let inserted = rows
        .insert_keyed(&first, Some(&digests), None, &key("k"))
        .await;
    assert!(inserted.unwrap());
    assert_eq!(find(&*rows, "k").await, Some(id(1)));
    assert_eq!(rows.get(id(1)).await.unwrap(), Some(first.clone()));
    assert_eq!(rows.chunk_digests(id(1)).await.unwrap(), Some(digests));

    for n in [2, 1] {
        assert!(!insert(&*rows, &row(n), "k").await.unwrap(), "{n}");
    }
    assert_eq!(find(&*rows, "k").await, Some(id(1)));
    assert_eq!(rows.get(id(1)).await.unwrap(), Some(first));
    assert_eq!(rows.get(id(2)).await.unwrap(), None);
    assert!(insert(&*rows, &row(2), "l").await.unwrap());
    assert_eq!(find(&*rows, "l").await, Some(id(2)));
}

pub(super) async fn keys_belong_to_an_experiment_and_a_depositor(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let mut other = row(2);
    other.created_by = PrincipalId::Admin;
    let mut elsewhere = row(3);
    elsewhere.experiment = other_experiment();
    for row in [&row(1), &other, &elsewhere] {
        assert!(insert(&*rows, row, "k").await.unwrap());
    }
    for row in [row(1), other, elsewhere] {
        assert_eq!(
            rows.find_keyed(&row.experiment, &row.created_by, &key("k"))
                .await
                .unwrap(),
            Some(row.id)
        );
    }
    assert_eq!(
        rows.find_keyed(&other_experiment(), &PrincipalId::Admin, &key("k"))
            .await
            .unwrap(),
        None
    );
}

pub(super) async fn keys_are_kept_byte_for_byte(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let long = "x".repeat(255);
    let texts = [
        "a",
        "A",
        "a ",
        " a",
        "\"",
        "\\",
        "'); DROP TABLE idempotency_keys; --",
        "$1",
        "%",
        "_",
        "{a,b}",
        "NULL",
        &long,
        &long[1..],
    ];
    for (n, text) in (1..).zip(texts) {
        assert!(insert(&*rows, &row(n), text).await.unwrap(), "{text}");
    }
    for (n, text) in (1..).zip(texts) {
        assert_eq!(find(&*rows, text).await, Some(id(n)), "{text}");
    }
}

pub(super) async fn a_key_stays_when_its_row_is_removed(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    assert!(insert(&*rows, &row(1), "k").await.unwrap());
    rows.remove(id(1)).await.unwrap();
    assert_eq!(find(&*rows, "k").await, Some(id(1)));
    assert!(!insert(&*rows, &row(2), "k").await.unwrap());
    assert_eq!(rows.get(id(2)).await.unwrap(), None);
}

pub(super) async fn refused_rows_leave_no_key(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let mut homeless = row(1);
    homeless.experiment = "absent".parse().unwrap();
    let error = insert(&*rows, &homeless, "k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(
        rows.find_keyed(&homeless.experiment, &homeless.created_by, &key("k"))
            .await
            .unwrap(),
        None
    );

    rows.insert(&row(2)).await.unwrap();
    rows.insert(&row(3)).await.unwrap();
    rows.remove(id(3)).await.unwrap();
    rows.condemn(&[id(4)]).await.unwrap();
    for n in 2..=4 {
        let error = insert(&*rows, &row(n), "k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        assert_eq!(find(&*rows, "k").await, None);
    }
    assert_eq!(rows.get(id(2)).await.unwrap(), Some(row(2)));

    let mut large = row(5);
    large.size = 1 << 63;
    let error = insert(&*rows, &large, "k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");

    let clock = Arc::new(ManualClock::new(UNIX_EPOCH));
    let deadline = Deadline::after(Duration::ZERO, clock.clone());
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        rows.insert_keyed(&row(6), None, Some(&deadline), &key("k"))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(find(&*rows, "k").await, None);

    assert!(insert(&*rows, &row(7), "k").await.unwrap());
    assert_eq!(find(&*rows, "k").await, Some(id(7)));
}

/// The rows come at the same time, so a database may write them in one transaction.
pub(super) async fn refused_rows_leave_no_key_beside_accepted_ones(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    rows.insert(&row(0)).await.unwrap();
    assert!(insert(&*rows, &row(100), "used").await.unwrap());
    let all = (1..=60_u8).map(|n| {
        let rows = Arc::clone(&rows);
        let mut mine = row(n);
        match n % 6 {
            0 => mine.id = id(0),
            1 => mine.experiment = "absent".parse().unwrap(),
            _ => {}
        }
        async move {
            let inserted = match n % 6 {
                2 => insert(&*rows, &mine, "used").await,
                3 => rows.insert(&mine).await.map(|()| true),
                _ => insert(&*rows, &mine, &n.to_string()).await,
            };
            (n, mine, inserted.map_err(|error| error.kind()))
        }
    });
    for (n, mine, outcome) in join_all(all).await {
        let expected = match n % 6 {
            0 => Err(ErrorKind::AlreadyExists),
            1 => Err(ErrorKind::NotFound),
            2 => Ok(false),
            _ => Ok(true),
        };
        assert_eq!(outcome, expected, "{n}");
        let is_there = expected == Ok(true);
        if n % 6 > 0 {
            let found = rows.get(mine.id).await.unwrap();
            assert_eq!(found.is_some(), is_there, "{n}");
        }
        let text = n.to_string();
        let has_key = is_there && n % 6 != 3;
        assert_eq!(
            rows.find_keyed(&mine.experiment, &mine.created_by, &key(&text))
                .await
                .unwrap(),
            has_key.then_some(mine.id),
            "{n}"
        );
    }
    assert_eq!(find(&*rows, "used").await, Some(id(100)));
}

pub(super) async fn one_of_several_concurrent_rows_with_a_key_is_written(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    let racers = (0..96_u16).map(|n| {
        let rows = Arc::clone(&rows);
        tokio::spawn(async move {
            let mine = numbered(n);
            let inserted = match n % 3 {
                0 => rows.insert(&mine).await.map(|()| true),
                1 => insert(&*rows, &mine, "one").await,
                _ => insert(&*rows, &mine, "two").await,
            };
            (n, inserted.unwrap())
        })
    });
    let mut winners = [vec![], vec![], vec![]];
    for raced in join_all(racers).await {
        let (n, is_inserted) = raced.unwrap();
        let is_there = rows.get(numbered(n).id).await.unwrap().is_some();
        assert_eq!(is_there, is_inserted, "{n}");
        if is_inserted {
            winners[usize::from(n % 3)].push(numbered(n).id);
        }
    }
    let [without, one, two] = winners;
    assert_eq!(without.len(), 32);
    assert_eq!((one.len(), two.len()), (1, 1));
    assert_eq!(find(&*rows, "one").await, Some(one[0]));
    assert_eq!(find(&*rows, "two").await, Some(two[0]));
}

pub(super) async fn keys_that_are_kept_are_not_forgotten(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    for n in 1..=3 {
        assert!(insert(&*rows, &row(n), &n.to_string()).await.unwrap());
    }
    assert_eq!(rows.forget_keys(2).await.unwrap(), 0);
    for n in 1..=3 {
        assert_eq!(find(&*rows, &n.to_string()).await, Some(id(n)));
    }
}
