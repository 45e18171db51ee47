//! The contract of `UploadRecords`.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::SystemClock;
use artifact_store::{
    ArtifactId, CatalogInventory, ContentType, Database, Deadline, FileName, Placement,
    Sha256Digest, UploadId, UploadPart, UploadSession,
};

use crate::support::{experiment, external, other_experiment, worker};

const HOUR: Duration = Duration::from_hours(1);

fn under(epoch: u64) -> Deadline {
    Deadline::after(Duration::from_mins(1), Arc::new(SystemClock)).for_placement(epoch)
}

fn part(offset: u64, size: u64) -> UploadPart {
    UploadPart::new(
        ArtifactId::mint(),
        offset,
        size,
        Sha256Digest::from_bytes([7; 32]),
    )
}

fn session() -> UploadSession {
    UploadSession::new(UploadId::mint(), experiment(), worker().id())
}

async fn create(rows: &dyn CatalogInventory, length: Option<u64>) -> UploadId {
    let mut new = session();
    new.length = length;
    assert!(rows.create_upload(&new, HOUR, 100).await.unwrap());
    new.id
}

async fn append(rows: &dyn CatalogInventory, id: UploadId, part: &UploadPart) -> bool {
    rows.append_part(id, part, HOUR, &under(0)).await.unwrap()
}

pub(super) async fn a_session_is_found_as_it_was_created(database: Database) {
    let rows = &*database.inventory;
    let plain = session();
    let mut full = UploadSession::new(UploadId::mint(), other_experiment(), external("alice").id());
    full.content_type = ContentType::clean("text/csv; header=present");
    full.file_name = FileName::clean("caf\u{e9}.csv");
    full.expires_in = Some(Duration::from_micros(90_000_001));
    full.sha256 = Some(Sha256Digest::from_bytes([9; 32]));
    full.placement = 3;
    full.length = Some(i64::MAX as u64);
    for new in [plain, full] {
        assert_eq!(rows.find_upload(new.id).await.unwrap(), None);
        assert!(rows.create_upload(&new, HOUR, 1).await.unwrap());
        let mut found = rows.find_upload(new.id).await.unwrap().unwrap();
        let left = found.expires_at.duration_since(jiff::Timestamp::now());
        assert!(left.as_secs() > 3_500 && left.as_secs() <= 3_600, "{left}");
        found.expires_at = new.expires_at;
        assert_eq!(found, new);
    }
}

pub(super) async fn a_part_is_recorded_only_at_the_offset_and_within_the_length(
    database: Database,
) {
    let rows = &*database.inventory;
    let id = create(rows, Some(10)).await;
    assert!(!append(rows, UploadId::mint(), &part(0, 1)).await);
    for wrong in [
        part(1, 1),
        part(0, 11),
        part(i64::MAX as u64, 1),
        part(0, i64::MAX as u64),
    ] {
        assert!(!append(rows, id, &wrong).await, "{wrong:?}");
    }
    let (first, second) = (part(0, 4), part(4, 6));
    assert!(append(rows, id, &first).await);
    assert!(!append(rows, id, &part(0, 4)).await);
    assert!(append(rows, id, &second).await);
    assert!(!append(rows, id, &part(10, 1)).await);
    let found = rows.find_upload(id).await.unwrap().unwrap();
    assert_eq!((found.offset, found.parts), (10, 2));
    assert!(found.is_whole());
    assert_eq!(rows.list_parts(id, 0, 10).await.unwrap(), [first, second]);
    assert_eq!(rows.list_parts(id, 0, 1).await.unwrap(), [first]);
    assert_eq!(rows.list_parts(id, 1, 10).await.unwrap(), [second]);
    assert_eq!(rows.list_parts(id, 5, 10).await.unwrap(), []);
    let late = Deadline::after(
        Duration::ZERO,
        Arc::new(artifact_backend::ManualClock::new(
            std::time::SystemTime::UNIX_EPOCH,
        )),
    );
    while !late.has_passed() {
        tokio::task::yield_now().await;
    }
    let id = create(rows, None).await;
    let refused = rows.append_part(id, &part(0, 1), HOUR, &late).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        artifact_store::ErrorKind::Unavailable
    );
    assert_eq!(rows.find_upload(id).await.unwrap().unwrap().offset, 0);
}

pub(super) async fn a_length_is_declared_once(database: Database) {
    let rows = &*database.inventory;
    let id = create(rows, None).await;
    assert!(append(rows, id, &part(0, 4)).await);
    let declare = async |length| rows.declare_length(id, length, HOUR).await.unwrap();
    assert!(!declare(3).await);
    assert!(declare(5).await);
    assert!(declare(5).await);
    assert!(!declare(4).await);
    assert!(!declare(6).await);
    assert!(
        !rows
            .declare_length(UploadId::mint(), 5, HOUR)
            .await
            .unwrap()
    );
    assert_eq!(rows.find_upload(id).await.unwrap().unwrap().length, Some(5));
}

pub(super) async fn open_sessions_of_a_principal_are_limited(database: Database) {
    let rows = &*database.inventory;
    let limited = async |new: UploadSession| rows.create_upload(&new, HOUR, 2).await.unwrap();
    let first = session();
    assert!(limited(first.clone()).await);
    let second = session();
    assert!(limited(second.clone()).await);
    assert!(!limited(session()).await);
    // Those of others, and elsewhere, do not count.
    let other = UploadSession::new(UploadId::mint(), experiment(), external("bob").id());
    assert!(limited(other).await);
    let elsewhere = UploadSession::new(UploadId::mint(), other_experiment(), worker().id());
    assert!(limited(elsewhere).await);
    // Nor do those that are complete, over or expired.
    rows.complete_upload(first.id, ArtifactId::mint(), HOUR)
        .await
        .unwrap();
    assert!(limited(session()).await);
    assert!(!limited(session()).await);
    assert!(rows.end_upload(second.id, true).await.unwrap());
    assert!(
        rows.create_upload(&session(), Duration::ZERO, 2)
            .await
            .unwrap()
    );
    assert!(limited(session()).await);
    assert!(!limited(session()).await);
}

pub(super) async fn a_part_is_not_condemned_and_a_condemned_id_is_no_part(database: Database) {
    let rows = &*database.inventory;
    let id = create(rows, None).await;
    let (kept, condemned) = (part(0, 4), part(4, 4));
    assert!(append(rows, id, &kept).await);
    let ids = [kept.id, condemned.id];
    assert_eq!(rows.parts_among(&ids).await.unwrap(), [kept.id]);
    assert_eq!(rows.condemn(&ids).await.unwrap(), [condemned.id]);
    assert!(!append(rows, id, &condemned).await);
    assert_eq!(rows.find_upload(id).await.unwrap().unwrap().offset, 4);
    rows.forget_parts(&[kept.id]).await.unwrap();
    assert_eq!(rows.parts_among(&ids).await.unwrap(), []);
    assert_eq!(rows.condemn(&[kept.id]).await.unwrap(), [kept.id]);
}

pub(super) async fn a_session_that_is_over_is_found_no_more_and_goes_last(database: Database) {
    let rows = &*database.inventory;
    let alive = create(rows, None).await;
    assert!(!rows.end_upload(alive, false).await.unwrap());
    assert!(rows.end_upload(UploadId::mint(), false).await.unwrap());
    let ended = create(rows, None).await;
    let expired = create(rows, None).await;
    for id in [ended, expired] {
        assert!(append(rows, id, &part(0, 1)).await);
    }
    assert!(rows.end_upload(ended, true).await.unwrap());
    let (last, deadline) = (part(1, 1), under(0));
    let last = rows.append_part(expired, &last, Duration::ZERO, &deadline);
    assert!(last.await.unwrap());
    let mut over = rows.ended_uploads(10).await.unwrap();
    over.sort_unstable();
    let mut expected = [ended, expired];
    expected.sort_unstable();
    assert_eq!(over, expected);
    assert_eq!(rows.ended_uploads(1).await.unwrap().len(), 1);
    for id in expected {
        assert_eq!(rows.find_upload(id).await.unwrap(), None);
        let parts = rows.list_parts(id, 0, 10).await.unwrap();
        let next = part(parts.len() as u64, 1);
        assert!(!append(rows, id, &next).await);
        assert!(!rows.declare_length(id, 9, HOUR).await.unwrap());
        assert!(rows.end_upload(id, false).await.unwrap());
        // Not while there are parts.
        rows.forget_upload(id).await.unwrap();
        assert!(rows.ended_uploads(10).await.unwrap().contains(&id));
        let ids: Vec<_> = parts.iter().map(|part| part.id).collect();
        rows.forget_parts(&ids).await.unwrap();
        rows.forget_upload(id).await.unwrap();
        assert!(!rows.ended_uploads(10).await.unwrap().contains(&id));
    }
    rows.forget_upload(alive).await.unwrap();
    assert!(rows.find_upload(alive).await.unwrap().is_some());
}

pub(super) async fn a_fence_ends_the_sessions_of_earlier_epochs(database: Database) {
    let rows = &*database.inventory;
    let (before, mixed, complete) = (
        create(rows, None).await,
        session(),
        create(rows, None).await,
    );
    rows.complete_upload(complete, ArtifactId::mint(), HOUR)
        .await
        .unwrap();
    let mut placement = Placement::new("file:///new");
    placement.epoch = 1;
    placement.fence = 0;
    database
        .placement
        .replace_placement(0, &placement)
        .await
        .unwrap();
    let mut new = session();
    new.placement = 1;
    assert!(rows.create_upload(&new, HOUR, 100).await.unwrap());
    // A part of a server that does not know the new placement yet.
    let mut stale = mixed;
    stale.placement = 1;
    assert!(rows.create_upload(&stale, HOUR, 100).await.unwrap());
    assert!(append(rows, stale.id, &part(0, 1)).await);
    let mut fenced = placement.clone();
    fenced.epoch = 2;
    fenced.fence = 1;
    database
        .placement
        .replace_placement(1, &fenced)
        .await
        .unwrap();
    for id in [before, stale.id] {
        assert_eq!(rows.find_upload(id).await.unwrap(), None);
        let refused = rows.append_part(id, &part(0, 1), HOUR, &under(1)).await;
        assert!(!refused.unwrap());
        assert!(rows.ended_uploads(10).await.unwrap().contains(&id));
        assert!(rows.end_upload(id, false).await.unwrap());
    }
    assert!(!append(rows, new.id, &part(0, 1)).await);
    let stored = rows.append_part(new.id, &part(0, 1), HOUR, &under(1)).await;
    assert!(stored.unwrap());
    assert!(rows.find_upload(complete).await.unwrap().is_some());
}

pub(super) async fn a_completed_session_keeps_its_first_artifact(database: Database) {
    let rows = &*database.inventory;
    let id = create(rows, Some(1)).await;
    let only = part(0, 1);
    assert!(append(rows, id, &only).await);
    let artifact = ArtifactId::mint();
    rows.complete_upload(id, artifact, HOUR).await.unwrap();
    rows.complete_upload(id, ArtifactId::mint(), HOUR)
        .await
        .unwrap();
    rows.complete_upload(UploadId::mint(), artifact, HOUR)
        .await
        .unwrap();
    let found = rows.find_upload(id).await.unwrap().unwrap();
    assert_eq!(found.artifact, Some(artifact));
    assert!(!append(rows, id, &part(1, 1)).await);
    // It still has a part.
    assert_eq!(rows.ended_uploads(10).await.unwrap(), [id]);
    assert!(rows.end_upload(id, false).await.unwrap());
    rows.forget_parts(&[only.id]).await.unwrap();
    rows.forget_upload(id).await.unwrap();
    assert_eq!(rows.ended_uploads(10).await.unwrap(), []);
    assert_eq!(
        rows.find_upload(id).await.unwrap().unwrap().artifact,
        Some(artifact)
    );
}

pub(super) async fn a_whole_session_lives_for_a_day_at_most(database: Database) {
    let rows = &*database.inventory;
    let week = 7 * 24 * HOUR;
    let hours_left = async |id| {
        let found = rows.find_upload(id).await.unwrap().unwrap();
        let left = found.expires_at.duration_since(jiff::Timestamp::now());
        left.as_secs().div_euclid(3_600) + 1
    };
    let mut new = session();
    new.length = Some(2);
    assert!(rows.create_upload(&new, week, 9).await.unwrap());
    assert_eq!(hours_left(new.id).await, 7 * 24);
    for (offset, hours) in [(0, 7 * 24), (1, 24)] {
        let (added, deadline) = (part(offset, 1), under(0));
        let added = rows.append_part(new.id, &added, week, &deadline);
        assert!(added.await.unwrap());
        assert_eq!(hours_left(new.id).await, hours);
    }
    let mut empty = session();
    empty.length = Some(0);
    assert!(rows.create_upload(&empty, week, 9).await.unwrap());
    assert_eq!(hours_left(empty.id).await, 24);
    let unknown = session();
    assert!(rows.create_upload(&unknown, week, 9).await.unwrap());
    assert_eq!(hours_left(unknown.id).await, 7 * 24);
    assert!(rows.declare_length(unknown.id, 0, week).await.unwrap());
    assert_eq!(hours_left(unknown.id).await, 24);
    // A complete one is remembered as long as others live.
    rows.complete_upload(new.id, ArtifactId::mint(), week)
        .await
        .unwrap();
    assert_eq!(hours_left(new.id).await, 7 * 24);
}
