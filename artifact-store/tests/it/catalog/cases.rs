//! One case for each rule. Each gets an empty catalog.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use artifact_backend::ManualClock;
use artifact_store::{
    ArtifactId, Catalog, ContentType, Deadline, ErrorKind, Experiment, FileName, PrincipalId, Row,
};
use futures_util::future::{BoxFuture, join_all};
use jiff::Timestamp;

use crate::support::{EXTERNAL, experiment, other_experiment, row, time};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Arc<dyn Catalog>) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[Case] = &[
            $(Case { name: stringify!($name), run: |rows| Box::pin($name(rows)) }),*
        ];
    };
}

cases! {
    experiments_are_created_once,
    experiments_are_listed_by_id,
    rows_are_read_as_they_were_written,
    extreme_values_are_kept,
    ids_of_external_principals_are_kept,
    rows_are_never_replaced,
    rows_need_an_existing_experiment,
    rows_are_never_written_after_their_deadline,
    sizes_above_i64_max_are_too_large,
    deletion_is_idempotent,
    one_of_several_concurrent_inserts_of_an_id_succeeds,
    rejected_inserts_do_not_affect_others,
    dropped_inserts_leave_a_whole_row_or_none,
}

async fn hosted(rows: &dyn Catalog) {
    let created = rows
        .create_experiment(&Experiment::new(experiment(), time(1)))
        .await;
    assert_eq!(created.unwrap(), Experiment::new(experiment(), time(1)));
}

async fn experiments_are_created_once(rows: Arc<dyn Catalog>) {
    assert_eq!(rows.experiment(&experiment()).await.unwrap(), None);
    let first = Experiment::new(experiment(), "2024-01-02T03:04:05.678901Z".parse().unwrap());
    assert_eq!(rows.create_experiment(&first).await.unwrap(), first);

    let later = Experiment::new(experiment(), time(9_999_999));
    assert_eq!(rows.create_experiment(&later).await.unwrap(), first);
    assert_eq!(rows.experiment(&experiment()).await.unwrap(), Some(first));
    assert_eq!(rows.experiment(&other_experiment()).await.unwrap(), None);
}

async fn experiments_are_listed_by_id(rows: Arc<dyn Catalog>) {
    assert_eq!(rows.experiments().await.unwrap(), []);
    for id in ["b", "a", "B", "~", "a.1", "0"] {
        let experiment = Experiment::new(id.parse().unwrap(), time(1));
        rows.create_experiment(&experiment).await.unwrap();
    }
    let listed = rows.experiments().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, ["0", "B", "a", "a.1", "b", "~"]);
}

async fn rows_are_read_as_they_were_written(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    let plain = row(1);
    let full = row(2)
        .with_content_type(ContentType::clean("text/html; charset=utf-8"))
        .with_file_name(FileName::clean("naïve 'quoted\" ☃.html"))
        .with_expires_at(time(1_900_000_000));
    rows.insert(&plain).await.unwrap();
    rows.insert(&full).await.unwrap();
    assert_eq!(rows.get(plain.id).await.unwrap(), Some(plain));
    assert_eq!(rows.get(full.id).await.unwrap(), Some(full));
    assert_eq!(
        rows.get(ArtifactId::from_bytes([3; 16])).await.unwrap(),
        None
    );
}

async fn extreme_values_are_kept(rows: Arc<dyn Catalog>) {
    let long = Experiment::new("x".repeat(128).parse().unwrap(), time(-1));
    rows.create_experiment(&long).await.unwrap();
    for (id, size, time) in [
        (0x00, 0, Timestamp::MIN),
        (0xff, i64::MAX as u64, Timestamp::MAX),
    ] {
        let written = Row::new(
            ArtifactId::from_bytes([id; 16]),
            long.id.clone(),
            PrincipalId::Admin,
            size,
            artifact_store::Sha256Digest::from_bytes([id; 32]),
            time,
        )
        .with_content_type(ContentType::clean(&"t".repeat(255)))
        .with_file_name(FileName::clean(&"n".repeat(255)));
        rows.insert(&written).await.unwrap();
        assert_eq!(rows.get(written.id).await.unwrap(), Some(written));
    }
}

async fn ids_of_external_principals_are_kept(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    for (n, text) in (1..).zip(EXTERNAL) {
        let mut written = row(n);
        written.created_by = text.parse().unwrap();
        rows.insert(&written).await.unwrap();
        let found = rows.get(written.id).await.unwrap();
        let depositor = found.as_ref().map(|row| row.created_by.as_str());
        assert_eq!(depositor, Some(*text));
        assert_eq!(found, Some(written));
    }
}

async fn rows_are_never_replaced(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    let first = row(1);
    rows.insert(&first).await.unwrap();
    let mut second = first.clone();
    second.size += 1;
    for again in [&first, &second] {
        let error = rows.insert(again).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(error.id(), Some(first.id));
    }
    assert_eq!(rows.get(first.id).await.unwrap(), Some(first));
}

async fn rows_need_an_existing_experiment(rows: Arc<dyn Catalog>) {
    let error = rows.insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(rows.get(row(1).id).await.unwrap(), None);
    hosted(&*rows).await;
    rows.insert(&row(1)).await.unwrap();
}

async fn rows_are_never_written_after_their_deadline(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH));
    let minute = Duration::from_mins(1);
    let deadline = Deadline::after(minute, clock.clone());
    clock.advance(minute);
    let insert = async |row: &Row| rows.insert_with(row, None, Some(&deadline)).await;
    insert(&row(1)).await.unwrap();
    let error = insert(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    clock.advance(Duration::from_millis(1));
    let error = insert(&row(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.id(), Some(row(2).id));
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    assert_eq!(rows.get(row(2).id).await.unwrap(), None);
}

async fn sizes_above_i64_max_are_too_large(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    let mut large = row(1);
    large.size = 1 << 63;
    let error = rows.insert(&large).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(rows.get(large.id).await.unwrap(), None);
}

async fn deletion_is_idempotent(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    rows.insert(&row(1)).await.unwrap();
    rows.insert(&row(2)).await.unwrap();
    for _ in 0..2 {
        rows.delete(row(1).id).await.unwrap();
        assert_eq!(rows.get(row(1).id).await.unwrap(), None);
    }
    assert_eq!(rows.get(row(2).id).await.unwrap(), Some(row(2)));
}

async fn one_of_several_concurrent_inserts_of_an_id_succeeds(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    let racers = (0..32).map(|size| {
        let rows = Arc::clone(&rows);
        tokio::spawn(async move {
            let mut mine = row(1);
            mine.size = size;
            rows.insert(&mine).await.map(|()| mine)
        })
    });
    let mut winners = Vec::new();
    for raced in join_all(racers).await {
        match raced.unwrap() {
            Ok(row) => winners.push(row),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(rows.get(row(1).id).await.unwrap(), winners.pop());
}

async fn rejected_inserts_do_not_affect_others(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    rows.insert(&row(0)).await.unwrap();
    let all = (0..64_u8).map(|n| {
        let rows = Arc::clone(&rows);
        // Every second id is taken already, every eighth row has no experiment.
        let mut mine = row(if n % 2 == 0 { 0 } else { n });
        if n % 8 == 1 {
            mine.experiment = other_experiment();
        }
        async move { (n, rows.insert(&mine).await.map_err(|error| error.kind())) }
    });
    for (n, outcome) in join_all(all).await {
        let expected = match n {
            n if n % 2 == 0 => Err(ErrorKind::AlreadyExists),
            n if n % 8 == 1 => Err(ErrorKind::NotFound),
            _ => Ok(()),
        };
        assert_eq!(outcome, expected, "{n}");
        let found = rows.get(row(n).id).await.unwrap();
        let there = n == 0 || expected.is_ok();
        assert_eq!(found, there.then(|| row(n)), "{n}");
    }
}

async fn dropped_inserts_leave_a_whole_row_or_none(rows: Arc<dyn Catalog>) {
    hosted(&*rows).await;
    for n in 0..16 {
        let mine = row(n);
        {
            let mut insert = Box::pin(rows.insert(&mine));
            let _ = crate::support::poll_once(insert.as_mut());
        }
        // Writes are executed in their order, so the dropped one is decided by now.
        rows.insert(&row(n + 100)).await.unwrap();
        let found = rows.get(mine.id).await.unwrap();
        assert!(
            found.is_none() || found.as_ref() == Some(&mine),
            "{found:?}"
        );
        assert_eq!(rows.get(mine.id).await.unwrap(), found);
    }
}
