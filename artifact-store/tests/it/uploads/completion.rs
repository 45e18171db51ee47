//! What becomes of an upload that has all its bytes.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactInventory as _};
use artifact_store::{
    ContentType, ErrorKind, FileName, ManagedStore, NewUpload, Principal, UploadId,
};

use super::site::Site;
use crate::support::{bytes, digest, experiment, worker};

#[tokio::test]
async fn the_artifact_is_what_an_ordinary_deposit_would_have_made() {
    let site = Site::new().await;
    let file = bytes(100);
    let new = NewUpload::new(experiment())
        .with_content_type(ContentType::clean("text/csv"))
        .with_file_name(FileName::clean("a.csv"))
        .with_expires_in(Duration::from_mins(1))
        .with_sha256(digest(&file))
        .with_length(100);
    let id = site.uploads.create(&worker(), new).await.unwrap().id;
    site.append(id, 0, &file).await.unwrap();
    let row = site.complete(id).await.unwrap();
    assert_ne!(row.id.as_bytes(), id.as_bytes());
    assert_eq!(row.size, 100);
    assert_eq!(row.sha256, digest(&file));
    assert_eq!(row.content_type.as_str(), "text/csv");
    assert_eq!(row.file_name.as_ref().unwrap().as_str(), "a.csv");
    assert_eq!(row.created_by, worker().id());
    let minute = row.created_at.checked_add(Duration::from_mins(1)).unwrap();
    assert_eq!(row.expires_at, Some(minute));
    assert_eq!(site.artifacts().await, [row]);
}

#[tokio::test]
async fn empty_files_are_accepted() {
    let site = Site::new().await;
    let id = site.create(0).await;
    let row = site.complete(id).await.unwrap();
    assert_eq!((row.size, row.sha256), (0, digest(b"")));
}

#[tokio::test]
async fn a_completion_can_be_repeated() {
    let site = Site::new().await;
    let id = site.create(5).await;
    site.append(id, 0, b"hello").await.unwrap();
    let row = site.complete(id).await.unwrap();
    assert_eq!(site.complete(id).await.unwrap(), row);
    assert_eq!(site.restarted().complete(id).await.unwrap(), row);
    let session = site.find(id).await.unwrap();
    assert_eq!((session.artifact, session.offset), (Some(row.id), 5));
    let error = site.append(id, 5, b"!").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LengthMismatch);
    assert_eq!(site.artifacts().await.len(), 1);
}

#[tokio::test]
async fn a_wrong_digest_ends_the_upload() {
    let site = Site::new().await;
    let new = NewUpload::new(experiment())
        .with_length(5)
        .with_sha256(digest(b"other"));
    let id = site.uploads.create(&worker(), new).await.unwrap().id;
    site.append(id, 0, b"hello").await.unwrap();
    let error = site.complete(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    assert_eq!(site.find(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(site.blobs.is_empty());
    assert!(site.artifacts().await.is_empty());
}

#[tokio::test]
async fn a_damaged_or_missing_part_makes_no_artifact() {
    for is_missing in [true, false] {
        let site = Site::new().await;
        let id = site.create(8).await;
        site.append(id, 0, b"12345678").await.unwrap();
        let parts = site.catalog.list_parts(id, 0, 10).await.unwrap();
        let second = parts[1].id;
        assert_eq!((parts[1].offset, parts[1].size), (4, 4));
        site.blobs.delete(second).await.unwrap();
        if !is_missing {
            site.blobs.store(second, "567x".into()).await.unwrap();
        }
        let error = site.complete(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(site.artifacts().await.is_empty());
        assert_eq!(site.find(id).await.unwrap().artifact, None);
    }
}

#[tokio::test]
async fn an_upload_whose_artifact_was_removed_is_not_deposited_again() {
    let site = Site::new().await;
    let id = site.create(5).await;
    site.append(id, 0, b"hello").await.unwrap();
    let row = site.complete(id).await.unwrap();
    let managed: &ManagedStore = site.uploads.managed();
    let admin = Principal::admin();
    managed.remove(&admin, &experiment(), row.id).await.unwrap();
    let error = site.complete(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(site.artifacts().await.is_empty());
}

#[tokio::test]
async fn an_ended_upload_leaves_nothing_but_its_artifact() {
    let site = Site::new().await;
    let end = async |id: UploadId| site.uploads.end(&worker(), &experiment(), id).await;
    let id = site.create(9).await;
    site.append(id, 0, b"hello").await.unwrap();
    assert_eq!(site.blobs.len(), 2);
    end(id).await.unwrap();
    assert!(site.blobs.is_empty());
    assert_eq!(site.find(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(end(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = site.append(id, 5, b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let id = site.create(5).await;
    site.append(id, 0, b"hello").await.unwrap();
    let row = site.complete(id).await.unwrap();
    end(id).await.unwrap();
    assert_eq!(site.bytes_of(row.id).await, b"hello");
    assert_eq!(site.artifacts().await, [row]);
}
