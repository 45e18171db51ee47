//! Keeps a blob in the backend of a URL: `file:///folder` or `mem:`.

use std::error::Error;

use artifact_backend::{ArtifactId, ByteRange, ErrorKind};
use artifact_open::Backend;
use futures_util::TryStreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("give a URL")?;
    let blobs = Backend::from_url(&url).await?.inventory();
    let bytes = vec![7; 1 << 20];

    let id = ArtifactId::mint();
    blobs.store(id, bytes.clone().into()).await?;
    let second = blobs.store(id, "other bytes".into()).await;
    let refused = second.err().ok_or("a blob was overwritten")?;
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);

    let mut part = Vec::new();
    let mut chunks = blobs.download(id, ByteRange::from(1000..2000)).await?;
    while let Some(chunk) = chunks.try_next().await? {
        part.extend_from_slice(&chunk);
    }
    assert_eq!(part, bytes[1000..2000]);

    let listed: Vec<_> = blobs.list().await?.try_collect().await?;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].size, 1 << 20);
    blobs.delete(id).await?;
    let listed: Vec<_> = blobs.list().await?.try_collect().await?;
    assert!(listed.is_empty());
    Ok(())
}
