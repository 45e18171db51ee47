//! The fake of Google, with `object_store`'s own client and integration tests, and more.

use artifact_cloud_test::{GcsEndpoint, GcsFake};
use bytes::Bytes;
use object_store::gcp::GoogleCloudStorage;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _,
    PutMode, PutOptions, PutPayload, integration,
};

async fn fake() -> (GcsFake, GoogleCloudStorage) {
    let fake = GcsFake::start().await.unwrap();
    fake.create_bucket("blobs");
    let store = fake.endpoint().builder("blobs").build().unwrap();
    (fake, store)
}

fn create() -> PutOptions {
    PutMode::Create.into()
}

#[tokio::test]
async fn object_stores_own_integration_tests_pass() {
    let (fake, store) = fake().await;
    integration::put_get_delete_list(&store).await;
    integration::put_get_attributes(&store).await;
    // Not `get_opts`: it reads older versions, which this fake does not keep.
    integration::put_opts(&store, true).await;
    integration::list_uses_directories_correctly(&store).await;
    integration::list_with_delimiter(&store).await;
    integration::list_with_offset_exclusivity(&store).await;
    integration::rename_and_copy(&store).await;
    integration::copy_if_not_exists(&store).await;
    integration::copy_rename_nonexistent_object(&store).await;
    integration::multipart_race_condition(&store, true).await;
    integration::multipart_out_of_order(&store).await;
    assert_eq!(fake.unfinished_uploads("blobs"), 0);
}

#[tokio::test]
async fn conditional_reads_and_ranges_work() {
    let (_fake, store) = fake().await;
    let key = Path::from("a");
    let tag = store.put(&key, "0123456789".into()).await.unwrap().e_tag;
    let get = |options| store.get_opts(&key, options);
    let same = get(GetOptions::new().with_if_match(tag.clone()))
        .await
        .unwrap();
    assert_eq!(same.bytes().await.unwrap(), "0123456789");
    let known = get(GetOptions::new().with_if_none_match(tag)).await;
    assert!(matches!(known, Err(Error::NotModified { .. })), "{known:?}");
    let other = get(GetOptions::new().with_if_match(Some("\"other\""))).await;
    assert!(
        matches!(other, Err(Error::Precondition { .. })),
        "{other:?}"
    );
    for (range, expected) in [
        (GetRange::Bounded(2..5), "234"),
        (GetRange::Bounded(8..20), "89"),
        (GetRange::Offset(7), "789"),
        (GetRange::Suffix(2), "89"),
        (GetRange::Suffix(20), "0123456789"),
    ] {
        let part = get(GetOptions::new().with_range(Some(range)))
            .await
            .unwrap();
        assert_eq!(part.meta.size, 10);
        assert_eq!(part.bytes().await.unwrap(), expected);
    }
    get(GetOptions::new().with_range(Some(GetRange::Offset(10))))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_create_of_an_existing_object_is_rejected_and_writes_nothing() {
    let (_fake, store) = fake().await;
    let key = Path::from("a");
    store
        .put_opts(&key, "first".into(), create())
        .await
        .unwrap();
    let second = store.put_opts(&key, "second".into(), create()).await;
    assert!(
        matches!(second, Err(Error::AlreadyExists { .. })),
        "{second:?}"
    );
    let kept = store.get(&key).await.unwrap().bytes().await.unwrap();
    assert_eq!(kept, Bytes::from_static(b"first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_of_several_concurrent_creates_succeeds() {
    let (_fake, store) = fake().await;
    let store = std::sync::Arc::new(store);
    let racers = (0..16_u8).map(|racer| {
        let store = store.clone();
        tokio::spawn(async move {
            let payload = PutPayload::from(vec![racer; 10]);
            store
                .put_opts(&Path::from("raced"), payload, create())
                .await
        })
    });
    let mut won = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, Error::AlreadyExists { .. }), "{error}"),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_completion_overwrites_and_rejects_a_small_middle_part() {
    let (fake, store) = fake().await;
    let key = Path::from("large");
    store.put(&key, "there before".into()).await.unwrap();
    let id = store.create_multipart(&key).await.unwrap();
    assert_eq!(fake.unfinished_uploads("blobs"), 1);
    let small = store.put_part(&key, &id, 0, "small".into()).await.unwrap();
    let last = store.put_part(&key, &id, 1, "last".into()).await.unwrap();
    let refused = store
        .complete_multipart(&key, &id, vec![small, last])
        .await
        .unwrap_err();
    let text = format!("{refused:?}");
    assert!(text.contains("EntityTooSmall"), "{text}");

    let whole = store.put_part(&key, &id, 0, "whole".into()).await.unwrap();
    store
        .complete_multipart(&key, &id, vec![whole])
        .await
        .unwrap();
    let now = store.get(&key).await.unwrap().bytes().await.unwrap();
    assert_eq!(now, Bytes::from_static(b"whole"));
    assert_eq!(fake.unfinished_uploads("blobs"), 0);
}

#[tokio::test]
async fn an_exclusive_copy_never_overwrites_and_keeps_metadata() {
    let (_fake, store) = fake().await;
    let (from, to) = (Path::from("from"), Path::from("to"));
    let metadata = object_store::Attribute::Metadata("mark".into());
    let attributes = object_store::Attributes::from_iter([(metadata.clone(), "7")]);
    let options = PutOptions {
        attributes,
        ..PutOptions::default()
    };
    store
        .put_opts(&from, "bytes".into(), options)
        .await
        .unwrap();
    let create = || CopyOptions::new().with_mode(CopyMode::Create);
    store.copy_opts(&from, &to, create()).await.unwrap();
    let copied = store.get(&to).await.unwrap();
    assert_eq!(copied.attributes.get(&metadata).unwrap().as_ref(), "7");
    let again = store.copy_opts(&from, &to, create()).await;
    assert!(
        matches!(again, Err(Error::AlreadyExists { .. })),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_wrong_token_and_a_missing_bucket_are_rejected() {
    let (fake, store) = fake().await;
    let stranger = fake
        .endpoint()
        .builder("blobs")
        .with_bearer_token("not the token")
        .build()
        .unwrap();
    let refused = stranger.put(&Path::from("a"), "x".into()).await;
    assert!(
        matches!(refused, Err(Error::Unauthenticated { .. })),
        "{refused:?}"
    );
    assert!(!GcsEndpoint::TOKEN.is_empty());

    fake.delete_bucket("blobs");
    let lost = store.put(&Path::from("a"), "x".into()).await.unwrap_err();
    assert!(format!("{lost:?}").contains("NoSuchBucket"), "{lost:?}");
}
