//! The programs' store, and the HTTP statuses of its errors.

use artifact_store::{
    ArtifactStore, Backend, Database, ErrorKind, Experiment, Result, StoreConfig,
};

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
        ErrorKind::DigestMismatch => 400,
        ErrorKind::NotFound => 404,
        ErrorKind::Forbidden => 403,
        ErrorKind::Held | ErrorKind::NameTaken | ErrorKind::Sealed => 409,
        ErrorKind::TooLarge => 413,
        ErrorKind::KeyReused => 422,
        ErrorKind::TooManyInFlight => 429,
        ErrorKind::Unavailable => 503,
        ErrorKind::OutOfSpace | ErrorKind::QuotaExceeded => 507,
        _ => 500,
    }
}
