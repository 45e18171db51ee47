//! The programs' store, and the HTTP statuses of its errors.

use artifact_store::{
    ArtifactStore, Backend, Database, ErrorKind, Experiment, Result, StoreConfig,
};

/// The header fields that protect a browser from foreign files: it saves the file, does not guess its type, and runs no
/// script in it.
pub const DELIVERY: [(&str, &str); 4] = [
    ("content-disposition", "attachment"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; sandbox"),
    ("cache-control", "private, no-store"),
];

/// Returns a store in memory with one experiment, for files of up to 16 MiB.
pub async fn open(home: &Experiment) -> Result<ArtifactStore> {
    let backend = Backend::from_url("mem:").await?.backend();
    let catalog = Database::from_url("mem:").await?.catalog;
    catalog.create_experiment(home).await?;
    let config = StoreConfig::default().with_max_artifact_bytes(16 << 20);
    Ok(ArtifactStore::new(backend, catalog, config))
}

/// Returns the status that tells a client what it can do about an error. The rest of the error is for the log.
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
