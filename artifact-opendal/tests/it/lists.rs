//! Lists and deletes.

use artifact_opendal::new_path;
use futures_util::StreamExt;

use crate::{world, written};

#[tokio::test]
async fn every_blob_is_listed_with_its_metadata_below_the_root_or_a_prefix_of_digits() {
    let (_, operator) = world();
    let mut paths = Vec::new();
    for _ in 0..40 {
        paths.push(written(&operator, "bytes").await);
    }
    paths.sort();
    let entries = operator.list("/").await.unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| entry.metadata().content_length() == 5)
    );
    let mut listed: Vec<_> = entries
        .iter()
        .map(|entry| entry.path().to_owned())
        .collect();
    listed.sort();
    assert_eq!(listed, paths);

    let prefix = &paths[0][..2];
    let below = operator.list(prefix).await.unwrap();
    let expected = paths.iter().filter(|path| path.starts_with(prefix)).count();
    assert_eq!(below.len(), expected);
    assert!(operator.list("reports/").await.unwrap().is_empty());
    let recursive = operator.list_with("/").recursive(true).await.unwrap();
    assert_eq!(recursive.len(), 40);
}

#[tokio::test]
async fn damaged_blobs_are_reported_after_all_whole_ones() {
    let (backend, operator) = world();
    for _ in 0..10 {
        written(&operator, "bytes").await;
    }
    for _ in 0..3 {
        let damaged = written(&operator, "bytes").await;
        backend.damage(damaged.parse().unwrap());
    }
    let items: Vec<_> = operator.lister("/").await.unwrap().collect().await;
    assert_eq!(items.len(), 11);
    assert!(items[..10].iter().all(Result::is_ok));
    let error = items[10].as_ref().unwrap_err();
    assert!(error.to_string().contains("damaged_blobs: 3"), "{error}");
    assert!(error.to_string().contains("corrupt"), "{error}");
}

#[tokio::test]
async fn deletes_remove_blobs_and_an_absent_path_succeeds() {
    let (_, operator) = world();
    let path = written(&operator, "bytes").await;
    let kept = written(&operator, "kept").await;
    operator.delete(&path).await.unwrap();
    operator.delete(&path).await.unwrap();
    operator.delete(&new_path()).await.unwrap();
    assert!(!operator.exists(&path).await.unwrap());
    assert!(operator.exists(&kept).await.unwrap());
}
