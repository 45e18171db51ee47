//! A program on `object_store` that keeps its objects in a folder of the artifact store.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-object-store -- ./blobs
//!
//! All but two lines are what the program would be on another store.

use std::env;
use std::error::Error;

use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_object_store::{ArtifactObjectStore, new_path};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode};

const REPORT: &str = "exactly as it came";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("give a folder for the blobs")?;
    let backend = FsBackend::open(folder, FsConfig::default()).await?;
    let store = ArtifactObjectStore::new(backend);
    let path = keep_report(&store).await?;
    read_report(&store, &path).await?;
    keep_parts(&store).await?;
    refusals(&store, &path).await?;

    let stored: Vec<_> = store.list(None).try_collect().await?;
    for object in &stored {
        store.delete(&object.location).await?;
    }
    check(stored.len() == 2, "the list does not have two objects")
}

async fn keep_report(store: &dyn ObjectStore) -> Result<Path, Box<dyn Error>> {
    let path = new_path();
    let put = store.put_opts(&path, REPORT.into(), PutMode::Create.into());
    let tag = put.await?.e_tag;
    check(
        tag == Some(format!("\"{path}\"")),
        "the e-tag is not the id",
    )?;
    Ok(path)
}

async fn read_report(store: &dyn ObjectStore, path: &Path) -> Result<(), Box<dyn Error>> {
    let head = store.head(path).await?;
    check(head.size == REPORT.len() as u64, "the size is wrong")?;
    let range = store.get_range(path, 0..7).await?;
    check(range == "exactly", "the range is wrong")?;
    let unless = GetOptions::new().with_if_none_match(head.e_tag);
    match store.get_opts(path, unless).await {
        Err(object_store::Error::NotModified { .. }) => Ok(()),
        other => Err(format!("not \"not modified\": {other:?}").into()),
    }
}

async fn keep_parts(store: &dyn ObjectStore) -> Result<(), Box<dyn Error>> {
    let path = new_path();
    let mut upload = store.put_multipart(&path).await?;
    for part in ["one ", "two ", "three"] {
        upload.put_part(part.into()).await?;
    }
    upload.complete().await?;
    let bytes = store.get(&path).await?.bytes().await?;
    check(bytes == "one two three", "the parts are wrong")
}

/// What cannot be expressed is an error that says what to do.
async fn refusals(store: &dyn ObjectStore, path: &Path) -> Result<(), Box<dyn Error>> {
    let refused = [
        store.put(path, "other bytes".into()).await.map(drop),
        store.copy(path, &new_path()).await,
        store.put_multipart(&"report.csv".into()).await.map(drop),
    ];
    for result in refused {
        match result {
            Err(error @ object_store::Error::NotSupported { .. }) => println!("{error}"),
            other => return Err(format!("not refused: {other:?}").into()),
        }
    }
    Ok(())
}

fn check(holds: bool, otherwise: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
