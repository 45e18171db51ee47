//! The store of the programs, and what its errors mean over HTTP.

use artifact_store::{ArtifactStore, Backend, Database, ErrorKind, Experiment, Result, StoreConfig};

/// What a browser must be told with a file of somebody else's: to save it, not to guess what it is,
/// and to run nothing of it.
pub const DELIVERY: [(&str, &str); 4] = [
    ("content-disposition", "attachment"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; sandbox"),
    ("cache-control", "private, no-store"),
];

/// A store in memory with one experiment, which takes files of up to 16 MiB.
pub async fn open(home: &Experiment) -> Result<ArtifactStore> {
    let backend = Backend::from_url("mem:").await?.backend();
    let catalog = Database::from_url("mem:").await?.catalog;
    catalog.create_experiment(home).await?;
    let config = StoreConfig::default().with_max_artifact_bytes(16 << 20);
    Ok(ArtifactStore::new(backend, catalog, config))
}

/// The status that tells a client what it can do about an error. What else the error says is for
/// the log.
pub fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::NotFound => 404,
        ErrorKind::Forbidden => 403,
        ErrorKind::TooLarge => 413,
        ErrorKind::Unavailable => 503,
        ErrorKind::OutOfSpace => 507,
        _ => 500,
    }
}
