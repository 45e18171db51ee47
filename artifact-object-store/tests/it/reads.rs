//! Ranges and conditions, compared with `object_store`'s own memory store.

use artifact_backend_mem::MemBackend;
use artifact_object_store::{ArtifactObjectStore, new_path};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};

/// Stores the same object in both stores.
async fn both(bytes: &'static str) -> ([Box<dyn ObjectStore>; 2], Path) {
    let path = new_path();
    let stores: [Box<dyn ObjectStore>; 2] = [
        Box::new(ArtifactObjectStore::new(MemBackend::default())),
        Box::new(InMemory::new()),
    ];
    for store in &stores {
        let put = store.put_opts(&path, bytes.into(), PutMode::Create.into());
        put.await.unwrap();
    }
    (stores, path)
}

/// Returns the range, the size and the bytes of a read, or the variant of its error.
async fn read(store: &dyn ObjectStore, path: &Path, options: GetOptions) -> String {
    match store.get_opts(path, options).await {
        Ok(got) => {
            let (range, size) = (got.range.clone(), got.meta.size);
            format!("{range:?} of {size}: {:?}", got.bytes().await.unwrap())
        }
        Err(error) => variant(&error).to_owned(),
    }
}

fn variant(error: &Error) -> &'static str {
    match error {
        Error::Precondition { .. } => "precondition",
        Error::NotModified { .. } => "not modified",
        Error::Generic { .. } => "generic",
        Error::NotFound { .. } => "not found",
        _ => "other",
    }
}

#[tokio::test]
async fn ranges_agree_with_the_memory_store() {
    let edges = [0, 1, 4, 9, 10, 11, u64::MAX];
    let mut ranges = vec![None];
    for a in edges {
        ranges.push(Some(GetRange::Offset(a)));
        ranges.push(Some(GetRange::Suffix(a)));
        for b in edges {
            ranges.push(Some(GetRange::Bounded(a..b)));
        }
    }
    for bytes in ["", "x", "0123456789"] {
        let (stores, path) = both(bytes).await;
        for range in &ranges {
            let options = || GetOptions::new().with_range(range.clone());
            let [ours, theirs] = &stores;
            let expected = read(theirs, &path, options()).await;
            assert_eq!(
                read(ours, &path, options()).await,
                expected,
                "{range:?} of {bytes:?}"
            );
        }
    }
    let (stores, path) = both("0123456789").await;
    let [ours, _] = &stores;
    let ranges = [2..4, 4..5, 0..10];
    let read = ours.get_ranges(&path, &ranges).await.unwrap();
    assert_eq!(read, ["23", "4", "0123456789"]);
}

#[tokio::test]
async fn conditions_agree_with_the_memory_store() {
    type Change = fn(&ObjectMeta, GetOptions) -> GetOptions;
    let changes: [(&str, Change); 9] = [
        ("the tag", |meta, get| get.with_if_match(meta.e_tag.clone())),
        ("a list", |meta, get| {
            let tag = meta.e_tag.clone().unwrap();
            get.with_if_match(Some(format!("\"other\", {tag}")))
        }),
        ("another tag", |_, get| get.with_if_match(Some("\"other\""))),
        ("any", |_, get| get.with_if_match(Some("*"))),
        ("not the tag", |meta, get| {
            get.with_if_none_match(meta.e_tag.clone())
        }),
        ("not another tag", |_, get| {
            get.with_if_none_match(Some("\"other\""))
        }),
        ("none", |_, get| get.with_if_none_match(Some("*"))),
        ("unmodified", |meta, get| {
            get.with_if_unmodified_since(Some(meta.last_modified))
        }),
        ("modified", |meta, get| {
            get.with_if_modified_since(Some(meta.last_modified))
        }),
    ];
    let (stores, path) = both("0123456789").await;
    let mut refused = 0;
    for (name, change) in changes {
        for head in [false, true] {
            let mut results = Vec::new();
            for store in &stores {
                let meta = store.head(&path).await.unwrap();
                let range = GetRange::Bounded(2..4);
                let get = GetOptions::new().with_range(Some(range)).with_head(head);
                results.push(match store.get_opts(&path, change(&meta, get)).await {
                    Ok(got) => format!("{:?} of {}", got.range, got.meta.size),
                    Err(error) => variant(&error).to_owned(),
                });
            }
            assert_eq!(results[0], results[1], "{name}, head {head}");
            refused += usize::from(!results[0].starts_with("2..4"));
        }
    }
    // Another tag, not the tag, none, and modified: with and without a body.
    assert_eq!(refused, 8);
}

#[tokio::test]
async fn the_tag_is_the_id_and_put_get_head_and_list_agree_on_it() {
    let store = ArtifactObjectStore::new(MemBackend::default());
    let path = new_path();
    let put = store.put_opts(&path, "bytes".into(), PutMode::Create.into());
    let tag = put.await.unwrap().e_tag;
    assert_eq!(tag, Some(format!("\"{path}\"")));
    let head = store.head(&path).await.unwrap();
    assert_eq!((head.size, &head.e_tag), (5, &tag));
    assert_eq!(store.get(&path).await.unwrap().meta, head);
    assert_eq!(
        store.list_with_delimiter(None).await.unwrap().objects,
        [head]
    );
}
