//! A program that opens a backend by the URL of its settings. It has no database, and its build knows folders only.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-open
//!
//! It has options for every scheme, a scheme of its own, and learns from `probe` that a folder can no longer be used.

use std::error::Error;
use std::path::PathBuf;

use artifact_backend::{ArtifactId, ErrorKind};
use artifact_open::{
    Backend, BackendOptions, BackendUrl, BucketCredentials, MemConfig, SchemeRegistry,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The options come from the program's settings, whatever its build can open.
fn options() -> BackendOptions {
    let mut options = BackendOptions::default();
    options.fs = options.fs.with_max_concurrent_writes(8);
    options.mem = MemConfig::default().with_max_total_bytes(1 << 20);
    options.bucket.endpoint = Some("https://minio.example:9000".to_owned());
    options.bucket.region = Some("eu-central-1".to_owned());
    options.bucket.credentials = Some(BucketCredentials::access_key("program", "its-secret"));
    options.s3 = options.s3.with_parallel_parts(2);
    options
}

/// The program's own scheme: `shelf:NAME` is a folder of that name below `base`.
fn registry(base: PathBuf) -> artifact_backend::Result<SchemeRegistry> {
    SchemeRegistry::new().with_scheme("shelf", move |url: BackendUrl, options| {
        let folder = base.join(url.rest().unwrap_or_default());
        async move {
            let url = BackendUrl::parse(&folder.to_string_lossy())?;
            url.open_with(options).await
        }
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("blobs");
    let settings = format!("{{\"backend\": \"file://{}\"}}", root.display());
    let mut settings: serde_json::Value = serde_json::from_str(&settings)?;
    let url: BackendUrl = serde_json::from_value(settings["backend"].take())?;
    check(
        url.to_string().parse::<BackendUrl>()? == url,
        "the URL changed as text",
    )?;

    let backend = url.open_with(options()).await?;
    backend.probe().await?;
    let id = ArtifactId::mint();
    backend
        .backend()
        .store(id, "exactly as it came".into())
        .await?;
    let loaded = Backend::from_url(&root.to_string_lossy())
        .await?
        .backend()
        .load(id)
        .await?;
    check(loaded == "exactly as it came", "something else came back")?;

    let shelves = registry(folder.path().to_owned())?;
    let shelf = shelves
        .open(&shelves.parse("shelf:blobs")?, options())
        .await?;
    check(
        shelf.backend().stat(id).await?.size == 18,
        "the shelf has another blob",
    )?;

    // The build lacks buckets, but the settings for them compile.
    let error = refusal("s3://bucket/prefix").await?;
    check(error.contains("`s3`"), &error)?;
    let error = refusal("ftp://host").await?;
    check(error.contains("ftp: is not known"), &error)?;
    let missing = folder.path().join("missing/blobs");
    let error = refusal(&missing.to_string_lossy()).await?;
    check(error.contains(&*missing.to_string_lossy()), &error)?;
    check(
        !format!("{:?}", options()).contains("its-secret"),
        "Debug shows a secret",
    )?;

    // The record of a failed sync, which any process on the folder can leave.
    std::fs::write(root.join("failed-sync"), "")?;
    let probed = backend.probe().await.map_err(|error| error.kind());
    check(
        probed == Err(ErrorKind::Unexpected),
        "the probe did not reach the folder",
    )?;
    backend.close().await;
    println!("{id}: stored in {url} and loaded again");
    Ok(())
}

/// Opens a URL that cannot be opened, and returns the message.
async fn refusal(text: &str) -> Outcome<String> {
    match Backend::from_url(text).await {
        Ok(_) => Err(format!("{text} was opened").into()),
        Err(error) => Ok(error.to_string()),
    }
}

fn check(holds: bool, otherwise: &str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
