//! Layers, and what reaches a backend through them.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory};
use artifact_backend::{BlobStat, ErrorKind};
use artifact_backend_mem::MemBackend;
use artifact_layers::{ConcurrencyLimit, ReadCache, Retry, Tenant, Throttle, Timeout};

use crate::{Outcome, expect, stored};

fn decorated(backend: MemBackend) -> Arc<dyn ArtifactInventory> {
    let backend = backend.layer(ConcurrencyLimit::new(64));
    let backend = backend.layer(Throttle::new().with_bytes_per_second(1 << 30));
    let backend = backend.layer(Timeout::new(Duration::from_secs(30)));
    let backend = backend.layer(Retry::new());
    let backend = backend.layer(ReadCache::new(1 << 20));
    Arc::new(backend)
}

pub async fn layers_of_one_line() -> Outcome {
    let (backend, id) = stored("twelve bytes").await?;
    let backend = decorated(backend);
    expect(backend.load(id).await?, "twelve bytes".into())
}

pub async fn tenants_of_one_backend() -> Outcome {
    let shared = decorated(MemBackend::default());
    let [first, second] = [1, 2].map(|tenant| shared.clone().layer(Tenant::new(tenant)));
    let id = ArtifactId::mint();
    first.store(id, "of the first".into()).await?;
    let absent = second.load(id).await.map_err(|error| error.kind());
    expect(absent, Err(ErrorKind::NotFound))?;
    expect(first.load(id).await?, "of the first".into())
}

pub async fn stat_on_the_request_path() -> Outcome {
    async fn stat(
        backend: &dyn ArtifactBackend,
        id: ArtifactId,
    ) -> artifact_backend::Result<BlobStat> {
        backend.stat(id).await
    }
    let (backend, id) = stored("twelve bytes").await?;
    expect(stat(&backend, id).await?.size, 12)
}

pub async fn probe_through_every_layer() -> Outcome {
    let backend = decorated(MemBackend::default());
    backend.probe().await?;
    backend.close().await;
    expect(backend.store_id().await?, None)
}
