//! Appends, and the offsets that they leave.

use artifact_store::{ErrorKind, NewUpload, Principal, WorkerId};

use super::site::{PART, Site};
use crate::support::{OTHER_WORKER, bytes, experiment, other_experiment, worker};

/// The size of the files: some parts and a bit.
const SIZE: usize = 4 * 4 + 1;

#[tokio::test]
async fn a_file_that_is_cut_at_any_offset_goes_on_there() {
    let file = bytes(SIZE);
    for first in 0..=SIZE {
        for second in first..=SIZE {
            let site = Site::new().await;
            let id = site.create(SIZE as u64).await;
            assert_eq!(
                site.append(id, 0, &file[..first]).await.unwrap(),
                first as u64
            );
            // Each request meets another server.
            let site = site.restarted();
            assert_eq!(site.find(id).await.unwrap().offset, first as u64);
            let to = site.append(id, first as u64, &file[first..second]).await;
            assert_eq!(to.unwrap(), second as u64);
            let site = site.restarted();
            site.append(id, second as u64, &file[second..])
                .await
                .unwrap();
            let row = site.complete(id).await.unwrap();
            assert_eq!(site.bytes_of(row.id).await, file, "{first}, {second}");
            assert_eq!(row.sha256, crate::support::digest(&file));
            assert_eq!(site.blobs.len(), 1, "the parts are gone");
        }
    }
}

#[tokio::test]
async fn an_append_that_is_dropped_keeps_its_full_parts() {
    let file = bytes(SIZE);
    for written in 0..=SIZE {
        let site = Site::new().await;
        let id = site.create(SIZE as u64).await;
        let mut append = site.begin(id, 0).await.unwrap();
        append.write(file[..written].to_vec().into()).await.unwrap();
        assert_eq!(append.offset(), written as u64);
        drop(append);
        let offset = site.find(id).await.unwrap().offset;
        assert_eq!(offset, written as u64 / PART * PART);
        let rest = file[usize::try_from(offset).unwrap()..].to_vec();
        site.append(id, offset, &rest).await.unwrap();
        let row = site.complete(id).await.unwrap();
        assert_eq!(site.bytes_of(row.id).await, file);
    }
}

#[tokio::test]
async fn an_append_has_to_begin_at_the_offset() {
    let site = Site::new().await;
    let id = site.create(10).await;
    site.append(id, 0, b"hello").await.unwrap();
    for wrong in [0, 4, 6, 10, u64::MAX] {
        let error = site.begin(id, wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OffsetMismatch);
        assert_eq!(error.blob_size(), Some(5));
    }
    assert_eq!(site.append(id, 5, b"").await.unwrap(), 5);
}

#[tokio::test]
async fn bytes_beyond_the_declared_length_are_refused_and_those_before_are_kept() {
    let site = Site::new().await;
    let id = site.create(6).await;
    let mut append = site.begin(id, 0).await.unwrap();
    append.write("12345".into()).await.unwrap();
    let error = append.write("67".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LengthMismatch);
    assert_eq!(append.finish().await.unwrap().offset, 5);
    assert_eq!(site.append(id, 5, b"6").await.unwrap(), 6);
    let error = site.append(id, 6, b"7").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LengthMismatch);
}

#[tokio::test]
async fn the_size_limit_is_exact() {
    let site = Site::new().await;
    let new = |length| NewUpload::new(experiment()).with_length(length);
    for length in [1_001, u64::MAX] {
        let error = site
            .uploads
            .create(&worker(), new(length))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    site.uploads.create(&worker(), new(1_000)).await.unwrap();

    let id = site.create(None).await;
    let file = bytes(1_000);
    site.append(id, 0, &file).await.unwrap();
    let error = site.append(id, 1_000, b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let (worker, experiment) = (worker(), experiment());
    let declared = site.uploads.declare_length(&worker, &experiment, id, 1_000);
    assert!(declared.await.unwrap().is_whole());
    let row = site.complete(id).await.unwrap();
    assert_eq!(site.bytes_of(row.id).await, file);
}

#[tokio::test]
async fn a_length_cannot_change_nor_be_below_what_arrived() {
    let site = Site::new().await;
    let id = site.create(None).await;
    site.append(id, 0, b"hello").await.unwrap();
    let (worker, experiment) = (worker(), experiment());
    let declare = async |length| {
        let declared = site
            .uploads
            .declare_length(&worker, &experiment, id, length);
        declared.await.map(|session| session.length)
    };
    let kind = async |length| declare(length).await.unwrap_err().kind();
    assert_eq!(kind(4).await, ErrorKind::LengthMismatch);
    assert_eq!(kind(1_001).await, ErrorKind::TooLarge);
    assert_eq!(kind(u64::MAX).await, ErrorKind::TooLarge);
    assert_eq!(declare(7).await.unwrap(), Some(7));
    assert_eq!(declare(7).await.unwrap(), Some(7));
    for changed in [5, 6, 8, u64::MAX] {
        assert_eq!(kind(changed).await, ErrorKind::LengthMismatch);
    }
    let error = site.complete(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LengthMismatch);
    assert_eq!(error.detail(), "the upload has 5 of 7 bytes");
}

#[tokio::test]
async fn an_upload_exists_for_its_creator_only() {
    let site = Site::new().await;
    let id = site.create(1).await;
    let other = Principal::worker(OTHER_WORKER.parse().unwrap(), experiment());
    let elsewhere = Principal::worker(WorkerId::mint(), other_experiment());
    let member = other.clone().with_admin_class();
    for (principal, experiment) in [
        (other, experiment()),
        (member, experiment()),
        (Principal::admin(), experiment()),
        (elsewhere, experiment()),
        (worker(), other_experiment()),
    ] {
        let uploads = &site.uploads;
        let errors = [
            uploads.find(&principal, &experiment, id).await.unwrap_err(),
            uploads
                .append(&principal, &experiment, id, 0)
                .await
                .unwrap_err(),
            uploads
                .declare_length(&principal, &experiment, id, 1)
                .await
                .unwrap_err(),
            uploads
                .complete(&principal, &experiment, id)
                .await
                .unwrap_err(),
            uploads.end(&principal, &experiment, id).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{principal:?}");
        }
    }
    assert_eq!(site.append(id, 0, b"x").await.unwrap(), 1);
    let worker = worker();
    let error = site
        .uploads
        .create(&worker, NewUpload::new(other_experiment()));
    assert_eq!(error.await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_upload_has_a_limited_number_of_small_parts() {
    let site = Site::new().await;
    // Not the limit of bytes.
    let config = site.config.clone().with_max_artifact_bytes(1 << 20);
    let uploads = super::site::uploads(site.catalog.clone(), site.blobs.clone(), &config);
    let (worker, experiment) = (worker(), experiment());
    let id = site.create(None).await;
    let mut sent = 0;
    let error = loop {
        let mut append = uploads
            .append(&worker, &experiment, id, sent)
            .await
            .unwrap();
        if let Err(error) = append.write("x".into()).await {
            break error;
        }
        append.finish().await.unwrap();
        sent += 1;
    };
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    // 10,000, and one for each four bytes.
    assert_eq!(sent, 13_333);
}
