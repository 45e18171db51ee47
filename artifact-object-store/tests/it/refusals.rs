//! What a backend cannot express is refused, and the text says what to do.

use artifact_backend::{ArtifactBackend, ErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend};
use artifact_backend_mem::MemBackend;
use artifact_object_store::{ArtifactObjectStore, new_path};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, UpdateVersion,
};

/// A store with one object.
async fn world() -> (ArtifactObjectStore, Path) {
    let store = ArtifactObjectStore::new(MemBackend::default());
    let path = new_path();
    let put = store.put_opts(&path, "bytes".into(), PutMode::Create.into());
    put.await.unwrap();
    (store, path)
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(result: object_store::Result<T>, advice: &str) {
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            Error::NotSupported { .. } | Error::NotImplemented { .. }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains(advice), "{error}");
}

#[tokio::test]
async fn overwrites_updates_copies_and_renames_are_refused() {
    let (store, path) = world().await;
    let other = new_path();
    let advice = "PutMode::Create and a new path from artifact_object_store::new_path()";
    is_refused(store.put(&path, "other".into()).await, advice);
    is_refused(store.put(&other, "other".into()).await, advice);
    let version = UpdateVersion {
        e_tag: None,
        version: None,
    };
    let update = PutMode::Update(version).into();
    is_refused(store.put_opts(&path, "other".into(), update).await, advice);
    let advice = "store the bytes under a new path";
    is_refused(store.copy(&path, &other).await, advice);
    is_refused(store.copy_if_not_exists(&path, &other).await, advice);
    is_refused(store.rename(&path, &other).await, advice);
    is_refused(store.rename_if_not_exists(&path, &other).await, advice);
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        store.get(&path).await.unwrap().bytes().await.unwrap(),
        "bytes"
    );
}

#[tokio::test]
async fn metadata_and_versions_are_refused() {
    let (store, path) = world().await;
    let attributes: Attributes = [(Attribute::ContentType, "text/plain")]
        .into_iter()
        .collect();
    let options = PutOptions {
        mode: PutMode::Create,
        attributes: attributes.clone(),
        ..PutOptions::default()
    };
    let put = store.put_opts(&new_path(), "typed".into(), options).await;
    is_refused(put, "in a table of your own");
    let options = PutMultipartOptions {
        attributes,
        ..PutMultipartOptions::default()
    };
    let upload = store.put_multipart_opts(&new_path(), options).await;
    is_refused(upload, "in a table of your own");
    let options = GetOptions::new().with_version(Some("1"));
    is_refused(
        store.get_opts(&path, options).await,
        "leave out GetOptions::version",
    );
}

#[tokio::test]
async fn a_path_that_is_not_an_id_is_refused_for_stores_and_absent_for_others() {
    let (store, _) = world().await;
    let id = new_path();
    let names = [
        String::new(),
        "report.csv".into(),
        format!("reports/{id}"),
        format!("{id}/part"),
        id.as_ref()
            .to_uppercase()
            .replace(|c: char| c.is_ascii_digit(), "A"),
        id.as_ref()[1..].to_owned(),
        format!("{id}0"),
    ];
    for name in names.map(Path::from) {
        let put = store.put_opts(&name, "bytes".into(), PutMode::Create.into());
        is_refused(put.await, "32 lower-case hexadecimal digits");
        is_refused(
            store.put_multipart(&name).await,
            "artifact_object_store::new_path()",
        );
        for missing in [
            store.get(&name).await.map(drop),
            store.head(&name).await.map(drop),
            store.delete(&name).await,
        ] {
            assert!(
                matches!(missing, Err(Error::NotFound { .. })),
                "{name}: {missing:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_taken_path_already_exists_and_keeps_its_bytes() {
    let (store, path) = world().await;
    let again = store
        .put_opts(&path, "other".into(), PutMode::Create.into())
        .await;
    assert!(
        matches!(again, Err(Error::AlreadyExists { .. })),
        "{again:?}"
    );
    let upload = store.put_multipart(&path).await;
    assert!(
        matches!(upload, Err(Error::AlreadyExists { .. })),
        "{upload:?}"
    );
    assert_eq!(
        store.get(&path).await.unwrap().bytes().await.unwrap(),
        "bytes"
    );
}

#[tokio::test]
async fn without_an_inventory_nothing_is_listed_or_deleted() {
    let backend = MemBackend::default();
    let store = ArtifactObjectStore::without_inventory(backend.clone());
    let path = new_path();
    let put = store.put_opts(&path, "bytes".into(), PutMode::Create.into());
    put.await.unwrap();
    let advice = "use ArtifactObjectStore::new where maintenance is allowed";
    is_refused(store.delete(&path).await, advice);
    is_refused(store.list(None).try_collect::<Vec<_>>().await, advice);
    is_refused(store.list_with_delimiter(None).await, advice);
    assert_eq!(store.head(&path).await.unwrap().size, 5);
    assert_eq!(backend.len(), 1);
}

#[tokio::test]
async fn the_error_of_the_backend_is_the_source() {
    let backend = FaultBackend::new(MemBackend::default());
    let store = ArtifactObjectStore::new(backend.clone());
    let cases = [
        (ErrorKind::Ambiguous, "Generic"),
        (ErrorKind::Unavailable, "Generic"),
        (ErrorKind::PermissionDenied, "necessary privileges"),
        (ErrorKind::Unsupported, "not supported"),
    ];
    for (kind, text) in cases {
        backend.inject(Fault::before(Operation::Store, kind));
        let path = new_path();
        let put = store.put_opts(&path, "bytes".into(), PutMode::Create.into());
        let error = put.await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        let source = std::error::Error::source(&error).unwrap();
        let source = source.downcast_ref::<artifact_backend::Error>().unwrap();
        assert_eq!(source.kind(), kind);
    }
    let taken = new_path();
    let id = artifact_object_store::id_of(&taken).unwrap();
    backend.store(id, "bytes".into()).await.unwrap();
    assert_eq!(store.head(&taken).await.unwrap().location, taken);
}
