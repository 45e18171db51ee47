//! A program with every layer of `artifact-layers` and one of its own (`count.rs`). It tries what the layers
//! promise, and runs the conformance suite through all of them.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-layers

mod count;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
};
use artifact_backend_conformance::Suite;
use artifact_backend_mem::MemBackend;
use artifact_layers::{
    ConcurrencyLimit, Metrics, ReadCache, Retry, Tenant, Throttle, Timeout, Trace,
};
use futures_util::TryStreamExt;

use crate::count::Count;

type Shared = Arc<dyn ArtifactInventory>;

/// Puts every layer around a backend that is known only at run time.
fn with_layers(backend: Shared, count: Count) -> Shared {
    Arc::new(
        backend
            .layer(count)
            .layer(ConcurrencyLimit::new(64))
            .layer(Throttle::new().with_bytes_per_second(1 << 30))
            .layer(Timeout::new(Duration::from_secs(30)))
            .layer(Retry::new())
            .layer(ReadCache::new(16 << 20))
            .layer(Metrics::new("blobs"))
            .layer(Trace::new()),
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count = Count::default();
    let shared = with_layers(Arc::new(MemBackend::default()), count.clone());
    let [first, second] = [1, 2].map(|tenant| shared.clone().layer(Tenant::new(tenant)));

    let id = ArtifactId::mint();
    first.store(id, "of the first tenant".into()).await?;
    second.store(id, "of the second".into()).await?;
    check(first.load(id).await? == "of the first tenant", "load")?;
    let listed: Vec<_> = second.list().await?.try_collect().await?;
    check(listed.len() == 1 && listed[0].size == 13, "list")?;

    second.delete(id).await?;
    let gone = second.load(id).await.expect_err("the blob is deleted");
    check(gone.kind() == ErrorKind::NotFound, "delete")?;
    let last = first.load_range(id, ByteRange::Suffix(6)).await?;
    check(last == "tenant", "range")?;
    // The range came from the cache. The list has read 16 bytes: the id of the blob.
    let counted = count.0.load(Ordering::Relaxed);
    check(counted == 16, &format!("{counted} bytes counted"))?;

    let fresh = || async {
        let backend = with_layers(Arc::new(MemBackend::default()), Count::default());
        Ok(backend.layer(Tenant::new(3)))
    };
    let report = Suite::new(fresh)
        .volatile("it is a map in memory")
        .run()
        .await;
    println!("{}", report.to_string().lines().last().unwrap_or_default());
    check(report.is_passed(), &report.to_string())
}

fn check(holds: bool, what: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(what.into()) }
}
