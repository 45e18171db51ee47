//! Keeps a blob in the folder of a URL, `file:///folder`: created exclusively, visible only when it is whole, synced.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use opendal::{Buffer, Operator};

/// The service creates exclusively or publishes whole files, and syncs no folder. So a file is written under a
/// temporary name and linked.
struct Blobs {
    operator: Operator,
    root: PathBuf,
}

impl Blobs {
    fn open(url: &str) -> Result<Self, Box<dyn Error>> {
        opendal::init_default_registry();
        let root = PathBuf::from(url.strip_prefix("file://").ok_or("not a folder")?);
        for folder in ["blobs", "staging"] {
            fs::create_dir_all(root.join(folder))?;
        }
        sync(&root)?;
        sync(root.parent().ok_or("not a folder")?)?;
        let operator = Operator::from_uri(url)?;
        Ok(Self { operator, root })
    }

    async fn store(&self, name: &str, bytes: impl Into<Buffer>) -> Result<(), Box<dyn Error>> {
        let staged = format!("staging/{name}.{:032x}", rand::random::<u128>());
        let create = self.operator.write_with(&staged, bytes);
        create.if_not_exists(true).await?; // synced by the service
        let source = self.root.join(&staged);
        let folder = self.root.join("blobs");
        let target = folder.join(name);
        let linked = tokio::task::spawn_blocking(move || {
            let linked = fs::hard_link(source, target);
            sync(&folder).and(linked)
        });
        let linked = linked.await?;
        self.operator.delete(&staged).await?;
        Ok(linked?)
    }

    async fn delete(&self, name: &str) -> Result<(), Box<dyn Error>> {
        self.operator.delete(&format!("blobs/{name}")).await?;
        let folder = self.root.join("blobs");
        Ok(tokio::task::spawn_blocking(move || sync(&folder)).await??)
    }

    async fn list(&self) -> opendal::Result<Vec<opendal::Entry>> {
        let mut listed = self.operator.list("blobs/").await?;
        listed.retain(|entry| entry.metadata().is_file());
        Ok(listed)
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("give a URL")?;
    let blobs = Blobs::open(&url)?;
    let bytes = vec![7; 1 << 20];

    blobs.store("report", bytes.clone()).await?;
    let second = blobs.store("report", "other bytes").await;
    let refused = second.err().ok_or("a blob was overwritten")?;
    let refused = refused.downcast_ref::<io::Error>().map(io::Error::kind);
    assert_eq!(refused, Some(io::ErrorKind::AlreadyExists));

    let mut part = Vec::new();
    let reader = blobs.operator.reader("blobs/report").await?;
    let mut chunks = reader.into_bytes_stream(1000..2000).await?;
    while let Some(chunk) = chunks.try_next().await? {
        part.extend_from_slice(&chunk);
    }
    assert_eq!(part, bytes[1000..2000]);

    let listed = blobs.list().await?;
    assert_eq!(listed.len(), 1);
    let stat = blobs.operator.stat(listed[0].path()).await?;
    assert_eq!(stat.content_length(), 1 << 20);
    blobs.delete("report").await?;
    assert!(blobs.list().await?.is_empty());
    Ok(())
}
