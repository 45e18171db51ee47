//! The migrator: what it copies, what it finds, and what is left when it is stopped.

use std::pin::pin;

use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _, StoreId};
use artifact_store::{
    ArtifactId, ErrorKind, MigrateEvent, MigrateFinding, MigrateOptions, MigrateReport,
    MigrateState, Principal,
};
use tokio::task::yield_now;

use super::site::Site;
use crate::support::{experiment, poll_once};

/// Bytes of different sizes: empty, small, and larger than what is copied in one call.
fn content(n: usize) -> Vec<u8> {
    vec![u8::try_from(n % 251).unwrap(); [0, 1, 4096, 70_000][n % 4]]
}

fn emptying() -> MigrateOptions {
    MigrateOptions::default().with_delete_source(true)
}

#[tokio::test]
async fn all_blobs_of_rows_move_and_the_uris_stay() {
    let site = Site::new().await;
    let server = site.server("a").await;
    let mut ids = Vec::new();
    for n in 0..300 {
        ids.push(server.deposit(&content(n)).await.unwrap().id);
    }
    let orphan = ArtifactId::mint();
    site.storage("a")
        .mem
        .store(orphan, "orphan".into())
        .await
        .unwrap();

    let (report, events) = site.migrate("a", "b").await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.state, MigrateState::Done);
    assert_eq!(
        (report.artifacts, report.copied, report.present),
        (300, 300, 0)
    );
    let bytes: usize = (0..300).map(|n| content(n).len()).sum();
    assert_eq!(report.copied_bytes, bytes as u64);
    assert_eq!(report.bytes, bytes as u64);
    let states = events.iter().filter_map(|event| match event {
        MigrateEvent::Entered(state) => Some(*state),
        _ => None,
    });
    let states: Vec<_> = states.collect();
    assert_eq!(
        states,
        [
            MigrateState::Copying,
            MigrateState::Fenced,
            MigrateState::Done
        ]
    );
    assert!(!site.has_blob("b", orphan).await);
    // A server that has not noticed, one with the new setting, and the old bytes.
    let new = site.server("b").await;
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(site.storage("b").mem.load(*id).await.unwrap(), content(n));
        assert_eq!(new.fetch(*id).await.unwrap(), content(n));
        assert!(site.has_blob("a", *id).await);
    }
    let late = server.deposit(b"late").await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable, "{late}");
    // The refusal made the server look where the blobs are.
    let late = server.deposit(b"late").await.unwrap();
    assert!(site.has_blob("b", late.id).await && !site.has_blob("a", late.id).await);

    let (again, _) = site.migrate("a", "b").await;
    assert!(again.is_good(), "{again:?}");
    assert_eq!((again.state, again.copied), (MigrateState::Done, 0));
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let site = Site::new().await;
    let server = site.server("a").await;
    let id = server.deposit(b"bytes").await.unwrap().id;
    let dry = MigrateOptions::default()
        .with_dry_run(true)
        .with_delete_source(true);
    let (report, _) = site.migrate_with("a", "b", dry).await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!(
        (report.state, report.copied, report.copied_bytes),
        (MigrateState::NotBegun, 1, 5)
    );
    assert!(!site.has_blob("b", id).await && site.has_blob("a", id).await);
    assert_eq!(site.storage("b").store_id().await.unwrap(), None);
    assert_eq!(site.database.placement.placement().await.unwrap(), None);
}

fn finding(events: &[MigrateEvent]) -> Vec<(ArtifactId, &'static str)> {
    let found = events.iter().filter_map(|event| match event {
        MigrateEvent::Found(MigrateFinding::Corrupt { id, .. }) => Some((*id, "corrupt")),
        MigrateEvent::Found(MigrateFinding::Missing { id }) => Some((*id, "missing")),
        _ => None,
    });
    found.collect()
}

#[tokio::test]
async fn damaged_and_missing_blobs_are_named_and_hold_the_end_up() {
    let site = Site::new().await;
    let server = site.server("a").await;
    let good = server.deposit(b"good").await.unwrap().id;
    let a = &site.storage("a").mem;
    // Other bytes of the same size, small and large; another size; none.
    let mut bad = Vec::new();
    for (before, after) in [
        (vec![1; 10], Some(vec![2; 10])),
        (vec![1; 100_000], Some(vec![2; 100_000])),
        (vec![1; 10], Some(vec![1; 9])),
        (vec![1; 10], None),
    ] {
        let id = server.deposit(&before).await.unwrap().id;
        a.delete(id).await.unwrap();
        if let Some(after) = &after {
            a.store(id, after.clone().into()).await.unwrap();
        }
        bad.push((
            id,
            if after.is_some() {
                "corrupt"
            } else {
                "missing"
            },
        ));
    }
    let (report, events) = site.migrate_with("a", "b", emptying()).await;
    assert_eq!(report.state, MigrateState::Copying);
    assert_eq!((report.copied, report.corrupt, report.missing), (1, 3, 1));
    let mut found = finding(&events);
    found.sort_unstable();
    bad.sort_unstable();
    assert_eq!(found, bad);
    for (id, what) in &bad {
        assert!(!site.has_blob("b", *id).await);
        assert_eq!(site.has_blob("a", *id).await, *what == "corrupt");
    }
    assert!(site.has_blob("b", good).await && site.has_blob("a", good).await);
    assert_eq!(server.fetch(good).await.unwrap(), b"good");

    // Once the artifacts are removed, it ends.
    let managed = &site.server("b").await.managed;
    for (id, _) in bad {
        managed
            .remove(&Principal::admin(), &experiment(), id)
            .await
            .unwrap();
    }
    let (report, _) = site.migrate_with("a", "b", emptying()).await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.state, report.deleted), (MigrateState::Emptied, 1));
}

#[tokio::test]
async fn the_source_is_deleted_only_after_its_copy_was_read_back() {
    let site = Site::new().await;
    let server = site.server("a").await;
    let (good, bad) = (
        server.deposit(b"good").await.unwrap().id,
        server.deposit(b"bad").await.unwrap().id,
    );
    site.migrate("a", "b").await;
    let b = site.storage("b");
    b.mem.delete(bad).await.unwrap();
    b.mem.store(bad, "BAD".into()).await.unwrap();
    let (report, events) = site.migrate_with("a", "b", emptying()).await;
    assert_eq!(
        (report.deleted, report.deleted_bytes, report.corrupt),
        (1, 4, 1)
    );
    assert_eq!(report.state, MigrateState::Done);
    assert_eq!(finding(&events), [(bad, "corrupt")]);
    assert!(!site.has_blob("a", good).await && site.has_blob("a", bad).await);
    // What was emptied is never used again.
    let (report, _) = site.migrate("b", "a").await;
    let error = report.unfinished.unwrap();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("emptied"), "{error}");
}

#[tokio::test]
async fn other_backends_are_refused() {
    let site = Site::new().await;
    let refused = |report: MigrateReport| {
        let error = report.unfinished.unwrap();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        error.detail().to_owned()
    };
    let (report, _) = site.migrate("b", "c").await;
    assert!(
        refused(report).contains("empty"),
        "not the backend of the store"
    );
    site.storage("b")
        .mem
        .store(ArtifactId::mint(), "foreign".into())
        .await
        .unwrap();
    let (report, _) = site.migrate("a", "b").await;
    assert!(refused(report).contains("unknown origin"));
    site.storage("c")
        .create_store_id(StoreId::mint())
        .await
        .unwrap();
    let (report, _) = site.migrate("a", "c").await;
    assert!(refused(report).contains("another store"));
    assert_eq!(site.database.placement.placement().await.unwrap(), None);
}

/// Migrates step by step, and drops the run after each number of steps. The next run completes it.
#[tokio::test]
async fn a_migration_that_is_dropped_at_any_moment_is_resumed() {
    let (mut polls, mut halfway) = (0, 0);
    loop {
        let site = Site::new().await;
        let server = site.server("a").await;
        let mut ids = Vec::new();
        for n in 0..8 {
            ids.push(server.deposit(&content(n)).await.unwrap().id);
        }
        let migrator = site.migrator("a", "b", emptying().with_parallel(2));
        let is_done = {
            let mut run = pin!(migrator.run(|_| ()));
            let mut is_done = false;
            for _ in 0..polls {
                is_done = poll_once(run.as_mut()).is_ready();
                if is_done {
                    break;
                }
                yield_now().await;
            }
            is_done
        };
        // In between, every server serves all.
        let mut copied = 0;
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(
                server.fetch(*id).await.unwrap(),
                content(n),
                "after {polls} steps"
            );
            copied += usize::from(site.has_blob("b", *id).await);
        }
        halfway += usize::from(copied > 0 && copied < ids.len());
        let (report, _) = site.migrate_with("a", "b", emptying()).await;
        assert!(report.is_good(), "{report:?}");
        assert_eq!(report.state, MigrateState::Emptied);
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(server.fetch(*id).await.unwrap(), content(n));
            assert!(site.has_blob("b", *id).await && !site.has_blob("a", *id).await);
        }
        if is_done {
            break;
        }
        polls += 1;
    }
    assert!(
        halfway > 3,
        "{halfway} of {polls} moments were in the middle"
    );
}

#[tokio::test]
async fn blobs_move_back_before_and_after_the_end() {
    let site = Site::new().await;
    let server = site.server("a").await;
    let first = server.deposit(b"first").await.unwrap().id;
    site.migrate("a", "b").await;
    server.placed.refresh().await.unwrap();
    let second = server.deposit(b"second").await.unwrap().id;
    assert!(!site.has_blob("a", second).await);
    let (report, _) = site.migrate("b", "a").await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.copied, report.present), (1, 1));
    for (id, bytes) in [(first, &b"first"[..]), (second, b"second")] {
        assert_eq!(server.fetch(id).await.unwrap(), bytes);
        assert!(site.has_blob("a", id).await);
    }
    assert_eq!(server.placed.epoch(), 2, "nothing has made it look again");
    let third = server.deposit(b"third").await.unwrap_err();
    assert_eq!(third.kind(), ErrorKind::Unavailable);
    let third = server.deposit(b"third").await.unwrap().id;
    assert!(site.has_blob("a", third).await);
}
