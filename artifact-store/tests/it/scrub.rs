//! The scrubber finds every corrupt, missing and orphaned id, and nothing else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _};
use artifact_store::{
    ArtifactId, Catalog as _, CatalogInventory as _, ErrorKind, Row, RowPosition, ScrubEvent,
    ScrubFinding, ScrubOptions, ScrubReport, Scrubber,
};
use tokio::time::Instant;

use crate::collect::site::{DAY, Site};
use crate::support::{bytes, digest, experiment, time, worker_id};

/// Scrubs from a position on. Returns the report, the findings, and the positions that were reached.
async fn scrub_after(
    site: &Site,
    after: RowPosition,
) -> (
    ScrubReport,
    Vec<(&'static str, ArtifactId)>,
    Vec<RowPosition>,
) {
    let (mut findings, mut reached) = (Vec::new(), Vec::new());
    let observe = |event| match event {
        ScrubEvent::Found(finding) => findings.push((finding.as_str(), finding.id())),
        ScrubEvent::Unchecked { id, .. } => findings.push(("unchecked", id)),
        ScrubEvent::Reached(position) => reached.push(position),
        _ => {}
    };
    let options = ScrubOptions::new(&site.config);
    let scrubber = Scrubber::new(site.catalog.clone(), site.storage.clone(), options);
    let report = scrubber.run(after, observe).await;
    (report, findings, reached)
}

async fn scrub(site: &Site) -> (ScrubReport, Vec<(&'static str, ArtifactId)>) {
    let (report, findings, _) = scrub_after(site, RowPosition::START).await;
    (report, findings)
}

/// Stores bytes with a row that promises others.
async fn mismatch(site: &Site, stored: &'static [u8], promised: &[u8]) -> ArtifactId {
    let id = site.orphan(stored).await;
    let (length, sha256) = (promised.len() as u64, digest(promised));
    let by = worker_id().into();
    let row = Row::new(id, experiment(), by, length, sha256, time(1_700_000_000));
    site.catalog.insert(&row).await.unwrap();
    id
}

#[tokio::test]
async fn a_sound_store_has_no_finding() {
    let site = Site::new().await;
    let large = bytes(300_000);
    site.deposit(&large).await;
    site.deposit(b"").await;
    // Perhaps the bytes of a deposit in progress.
    site.orphan(b"young").await;
    let (report, findings) = scrub(&site).await;
    assert_eq!(findings, []);
    assert_eq!((report.artifacts, report.bytes), (2, 300_000));
    assert_eq!((report.findings(), report.is_complete()), (0, true));
}

#[tokio::test]
async fn corrupt_missing_and_orphaned_ids_are_found_by_name() {
    let site = Site::new().await;
    site.deposit(b"sound").await;
    let flipped = mismatch(&site, b"a byte", b"a bytf").await;
    let shorter = mismatch(&site, b"short", b"shorter").await;
    let missing = site.deposit(b"missing").await.id;
    site.storage.mem.delete(missing).await.unwrap();
    let orphaned = site.orphan(b"lost").await;
    let damaged = ArtifactId::mint();
    site.storage.damaged.lock().unwrap().push(damaged);
    site.clock.advance(DAY);
    let (report, findings) = scrub(&site).await;
    let expected = [
        ("corrupt", flipped),
        ("corrupt", shorter),
        ("missing", missing),
        ("orphaned", orphaned),
        ("corrupt", damaged),
    ];
    assert_eq!(findings, expected);
    assert_eq!((report.corrupt, report.missing, report.orphaned), (3, 1, 1));
    assert_eq!((report.findings(), report.is_complete()), (5, true));
}

#[tokio::test]
async fn a_scrub_continues_after_the_position_that_an_earlier_one_reached() {
    let site = Site::new().await;
    for _ in 0..150 {
        site.deposit(b"sound").await;
    }
    let corrupt = mismatch(&site, b"a", b"b").await;
    let (report, _, reached) = scrub_after(&site, RowPosition::START).await;
    assert_eq!((report.artifacts, report.corrupt), (151, 1));
    assert_eq!(reached.len(), 2);
    let (report, findings, _) = scrub_after(&site, reached[1]).await;
    assert_eq!(report.artifacts, 151 - 128);
    assert_eq!(findings, [("corrupt", corrupt)]);
    assert_eq!(report.reached, reached[1]);
}

#[tokio::test]
async fn the_blob_of_an_artifact_that_is_being_removed_is_no_finding() {
    let site = Site::new().await;
    let removed = site.deposit(b"removed").await.id;
    let condemned = site.orphan(b"being collected").await;
    let orphaned = site.orphan(b"lost").await;
    site.clock.advance(DAY);
    // The row goes first. The bytes follow, but not yet.
    site.catalog.remove(removed).await.unwrap();
    site.catalog.condemn(&[condemned]).await.unwrap();
    let (report, findings) = scrub(&site).await;
    assert_eq!(findings, [("orphaned", orphaned)]);
    assert_eq!((report.orphaned, report.findings()), (1, 1));
}

#[tokio::test]
async fn a_removed_artifact_is_no_finding_although_its_blob_is_gone() {
    let site = Site::new().await;
    let removed = site.deposit(b"removed").await.id;
    site.catalog.remove(removed).await.unwrap();
    site.storage.mem.delete(removed).await.unwrap();
    let (report, findings) = scrub(&site).await;
    assert_eq!(findings, []);
    assert_eq!(report.artifacts, 0);
}

#[tokio::test]
async fn a_scrub_that_cannot_list_the_blobs_is_not_complete() {
    let site = Site::new().await;
    site.deposit(b"sound").await;
    site.storage.list_fails.store(true, Ordering::Relaxed);
    let (report, findings) = scrub(&site).await;
    assert_eq!(findings, []);
    let error = report.unfinished.as_ref().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!report.is_complete());
    assert_eq!(report.artifacts, 1, "the rows were checked before");
}

#[tokio::test(start_paused = true)]
async fn bytes_per_second_are_limited() {
    let site = Site::new().await;
    // Small ones count as 16 KiB, because each costs a request.
    for size in [40_000, 0, 0, 10_000, 20_000, 20_000, 20_000, 30_000, 20_000] {
        site.deposit(&bytes(size)).await;
    }
    let start = Instant::now();
    let rate = (3 * 16_384 + 130_000) / 10;
    let options = ScrubOptions::new(&site.config).with_bytes_per_second(rate);
    let scrubber = Scrubber::new(site.catalog.clone(), site.storage.clone(), options);
    let report = scrubber.run(RowPosition::START, |_| ()).await;
    assert_eq!(report.bytes, 160_000);
    let took = start.elapsed();
    let expected = Duration::from_secs(10)..Duration::from_millis(10_100);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test]
async fn chunk_digests_are_added_only_on_request_and_only_to_sound_artifacts() {
    let site = Site::new().await;
    let (content, wrong) = (bytes(300_000), bytes(200_000));
    let store = async |bytes: &[u8], promised: &[u8]| {
        let id = ArtifactId::mint();
        site.storage.store(id, bytes.to_vec().into()).await.unwrap();
        let length = promised.len() as u64;
        let row = Row::new(
            id,
            experiment(),
            worker_id().into(),
            length,
            digest(promised),
            time(1),
        );
        site.catalog.insert(&row).await.unwrap();
        id
    };
    let old = store(&content, &content).await;
    let mut flipped = wrong.clone();
    flipped[0] ^= 1;
    let damaged = store(&flipped, &wrong).await;
    let small = store(&content[..65_536], &content[..65_536]).await;
    let run = async |add| {
        let options = ScrubOptions::new(&site.config).with_added_chunk_digests(add);
        let scrubber = Scrubber::new(site.catalog.clone(), site.storage.clone(), options);
        let report = scrubber.run(RowPosition::START, |_| ()).await;
        (report.chunk_digests_added, report.corrupt)
    };
    assert_eq!(run(false).await, (0, 1));
    assert_eq!(site.catalog.chunk_digests(old).await.unwrap(), None);
    assert_eq!(run(true).await, (1, 1));
    let mut hasher = artifact_store::ChunkHasher::new();
    hasher.update(&content);
    assert_eq!(
        site.catalog.chunk_digests(old).await.unwrap(),
        hasher.finish()
    );
    for none in [damaged, small] {
        assert_eq!(site.catalog.chunk_digests(none).await.unwrap(), None);
    }
    assert_eq!(run(true).await, (0, 1));
}

#[tokio::test]
async fn a_finding_names_the_first_damaged_chunk() {
    let site = Site::new().await;
    let content = bytes(300_000);
    let id = site.deposit(&content).await.id;
    let mut flipped = content.clone();
    flipped[200_000] ^= 1;
    site.storage.mem.delete(id).await.unwrap();
    site.storage.mem.store(id, flipped.into()).await.unwrap();
    let mut found = Vec::new();
    let options = ScrubOptions::new(&site.config);
    let scrubber = Scrubber::new(site.catalog.clone(), site.storage.clone(), options);
    let observe = |event| {
        if let ScrubEvent::Found(ScrubFinding::Corrupt { error, .. }) = event {
            found.push(error.detail().to_owned());
        }
    };
    scrubber.run(RowPosition::START, observe).await;
    assert!(found[0].contains("begins at byte 196608"), "{found:?}");
}
