//! What collectors do to uploads, and what they leave alone.

use std::time::Duration;

use artifact_backend::ArtifactBackend as _;
use artifact_store::{ArtifactId, ErrorKind, UploadOptions, Uploads};

use super::site::Site;
use crate::support::{experiment, worker};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn the_parts_of_a_living_upload_outlast_the_grace_period() {
    let site = Site::new().await;
    let options = UploadOptions::default()
        .with_part_bytes(4)
        .with_lifetime(100 * HOUR);
    let uploads = Uploads::new(site.uploads.managed().clone(), options);
    let new = artifact_store::NewUpload::new(experiment()).with_length(10);
    let id = uploads.create(&worker(), new).await.unwrap().id;
    let mut append = uploads
        .append(&worker(), &experiment(), id, 0)
        .await
        .unwrap();
    append.write("hello".into()).await.unwrap();
    append.finish().await.unwrap();
    let orphan = ArtifactId::mint();
    site.blobs.store(orphan, "lost".into()).await.unwrap();

    site.clock.advance(99 * HOUR);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let report = site.collect_at(now + 48 * HOUR).await;
    assert_eq!((report.orphans, report.uploads), (1, 0));
    assert_eq!(site.blobs.len(), 2);
}

#[tokio::test]
async fn an_expired_upload_is_removed_with_its_parts() {
    let site = Site::new().await;
    let id = site.create(10).await;
    site.append(id, 0, b"hello").await.unwrap();
    site.clock.advance(23 * HOUR);
    assert_eq!(site.collect().await.uploads, 0);
    // Each append renews it.
    site.append(id, 5, b"w").await.unwrap();
    site.clock.advance(23 * HOUR);
    assert_eq!(site.find(id).await.unwrap().offset, 6);
    site.clock.advance(HOUR);
    assert_eq!(site.find(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    let report = site.collect().await;
    assert_eq!(report.uploads, 1);
    assert!(site.blobs.is_empty());
    assert_eq!(site.catalog.ended_uploads(10).await.unwrap(), []);
    assert_eq!(site.collect().await.uploads, 0);
}

#[tokio::test]
async fn a_completed_upload_is_remembered_until_it_expires() {
    let site = Site::new().await;
    let id = site.create(5).await;
    site.append(id, 0, b"hello").await.unwrap();
    let row = site.complete(id).await.unwrap();
    site.clock.advance(23 * HOUR);
    site.collect().await;
    assert_eq!(site.find(id).await.unwrap().artifact, Some(row.id));
    site.clock.advance(HOUR);
    assert_eq!(site.collect().await.uploads, 1);
    assert_eq!(site.bytes_of(row.id).await, b"hello");
}

#[tokio::test]
async fn a_dry_run_removes_no_upload() {
    let site = Site::new().await;
    let id = site.create(10).await;
    site.append(id, 0, b"hello").await.unwrap();
    site.clock.advance(25 * HOUR);
    let options = artifact_store::CollectOptions::new(&site.config).with_dry_run(true);
    let collector =
        artifact_store::Collector::new(site.catalog.clone(), site.blobs.clone(), options);
    assert_eq!(collector.run(|_| ()).await.uploads, 0);
    assert_eq!(site.blobs.len(), 2);
}
