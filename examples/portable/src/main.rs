//! Opens one folder with the profile of this system and with the portable profile, and reads with each what the other
//! wrote.

use std::error::Error;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ErrorKind};
use artifact_backend_fs::{FsBackend, FsConfig, FsProfile};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("blobs");
    let portable = FsConfig::default().with_profile(FsProfile::Portable);
    let portable = FsBackend::open(&root, portable).await?;
    let native = FsBackend::open(&root, FsConfig::default()).await?;
    for (writer, reader) in [(&portable, &native), (&native, &portable)] {
        let id = ArtifactId::mint();
        writer.store(id, "exactly as it came".into()).await?;
        assert_eq!(reader.load(id).await?, "exactly as it came");
        let again = reader.store(id, "something else".into()).await;
        let kind = again.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::AlreadyExists));
        reader.delete(id).await?;
        let kind = writer.load(id).await.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::NotFound));
    }
    Ok(())
}
