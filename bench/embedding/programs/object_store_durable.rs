//! Keeps a blob in the folder of a URL, `file:///folder`, and syncs what is stored and deleted.

use std::error::Error;
use std::fs::File;

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode};
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = Url::parse(&std::env::args().nth(1).ok_or("give a URL")?)?;
    let folder = url.to_file_path().map_err(|()| "not a folder")?;
    let root = Path::from_url_path(url.path())?;
    // `parse_url` cannot set this option.
    let store = LocalFileSystem::new().with_fsync(true);
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
    // The option does not apply to deletes.
    tokio::task::spawn_blocking(move || File::open(folder)?.sync_all()).await??;
    let listed: Vec<_> = store.list(Some(&root)).try_collect().await?;
    assert!(listed.is_empty());
    Ok(())
}
