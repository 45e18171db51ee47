//! Keeps a blob in the store of a URL: `file:///folder` or `memory:///`.

use std::error::Error;

use futures_util::TryStreamExt;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode};
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("give a URL")?;
    let (store, root) = object_store::parse_url(&Url::parse(&url)?)?;
    let bytes = vec![7; 1 << 20];

    let path = root.clone().join("report");
    let create = || PutMode::Create.into();
    store
        .put_opts(&path, bytes.clone().into(), create())
        .await?;
    let second = store.put_opts(&path, "other bytes".into(), create()).await;
    let refused = second.err().ok_or("a blob was overwritten")?;
    assert!(matches!(refused, object_store::Error::AlreadyExists { .. }));

    let mut part = Vec::new();
    let range = GetOptions::new().with_range(Some(GetRange::from(1000..2000)));
    let mut chunks = store.get_opts(&path, range).await?.into_stream();
    while let Some(chunk) = chunks.try_next().await? {
        part.extend_from_slice(&chunk);
    }
    assert_eq!(part, bytes[1000..2000]);

    let listed: Vec<_> = store.list(Some(&root)).try_collect().await?;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].size, 1 << 20);
    store.delete(&path).await?;
    let listed: Vec<_> = store.list(Some(&root)).try_collect().await?;
    assert!(listed.is_empty());
    Ok(())
}
