//! Lists and deletes.

use artifact_backend_conformance::FaultBackend;
use artifact_backend_mem::MemBackend;
use artifact_object_store::{ArtifactObjectStore, id_of, new_path};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};

/// A store with this number of objects, and their paths in order.
async fn world(objects: usize) -> (FaultBackend, ArtifactObjectStore, Vec<Path>) {
    let backend = FaultBackend::new(MemBackend::default());
    let store = ArtifactObjectStore::new(backend.clone());
    let mut paths: Vec<_> = (0..objects).map(|_| new_path()).collect();
    paths.sort();
    for path in &paths {
        let put = store.put_opts(path, "bytes".into(), PutMode::Create.into());
        put.await.unwrap();
    }
    (backend, store, paths)
}

async fn listed(store: &ArtifactObjectStore, prefix: Option<&Path>) -> Vec<Path> {
    let list = store.list(prefix).map_ok(|meta| meta.location);
    let mut paths: Vec<_> = list.try_collect().await.unwrap();
    paths.sort();
    paths
}

#[tokio::test]
async fn every_object_is_below_the_root_and_none_below_a_folder() {
    let (_, store, paths) = world(20).await;
    for root in [None, Some(Path::from("/"))] {
        assert_eq!(listed(&store, root.as_ref()).await, paths);
        let all = store.list_with_delimiter(root.as_ref()).await.unwrap();
        assert_eq!((all.objects.len(), all.common_prefixes), (20, vec![]));
    }
    for folder in [Path::from("reports"), paths[0].clone(), Path::from("0")] {
        assert_eq!(listed(&store, Some(&folder)).await, []);
        let none = store.list_with_delimiter(Some(&folder)).await.unwrap();
        assert_eq!(none.objects, []);
    }
    let rest = store.list_with_offset(None, &paths[7]);
    let rest: Vec<_> = rest
        .map_ok(|meta| meta.location)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rest, paths[8..]);
}

#[tokio::test]
async fn a_damaged_blob_is_an_error_in_the_list_and_the_list_goes_on() {
    let (backend, store, paths) = world(10).await;
    backend.damage(id_of(&paths[4]).unwrap());
    let items: Vec<_> = store.list(None).collect().await;
    assert_eq!(items.len(), 10);
    let errors: Vec<_> = items
        .iter()
        .filter_map(|item| item.as_ref().err())
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].to_string().contains(paths[4].as_ref()),
        "{}",
        errors[0]
    );
    assert!(store.list_with_delimiter(None).await.is_err());
}

#[tokio::test]
async fn deletes_report_each_path_and_an_absent_id_succeeds() {
    let (_, store, paths) = world(20).await;
    let mut wanted: Vec<_> = paths[..15].iter().cloned().map(Ok).collect();
    wanted.insert(3, Ok(new_path()));
    wanted.insert(9, Ok(Path::from("report.csv")));
    let results: Vec<_> = store
        .delete_stream(stream::iter(wanted).boxed())
        .collect()
        .await;
    assert_eq!(results.len(), 17);
    for (at, result) in results.iter().enumerate() {
        match result {
            Ok(_) => assert_ne!(at, 9),
            Err(error) => {
                assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
                assert_eq!(at, 9);
            }
        }
    }
    assert_eq!(listed(&store, None).await, paths[15..]);
    store.delete(&paths[0]).await.unwrap();
}
