//! The conformance suite over a map, over a folder, and over a backend whose replies get lost.

#![expect(clippy::disallowed_methods, reason = "a test removes the storage")]

use std::fs;
use std::sync::Arc;

use artifact_backend::{ArtifactBackend, ArtifactId, BoxError, Operation};
use artifact_backend_conformance::{Fault, FaultBackend, Plant, Report, Storage, Suite};
use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_backend_mem::MemBackend;
use artifact_encryption::EncryptedBackend;
use async_trait::async_trait;
use bytes::Bytes;

use crate::world::key;

/// The smallest blob for the clause `bounded`: unoptimised AES is slow.
const LARGE: u64 = Suite::MIN_LARGE_BLOB;

/// A blob of the inner backend that is not an encrypted blob.
struct Junk(Arc<dyn ArtifactBackend>);

#[async_trait]
impl Plant for Junk {
    fn name(&self) -> &'static str {
        "a blob that is not encrypted"
    }

    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError> {
        // One byte less than the shortest encrypted blob.
        Ok(self.0.store(id, Bytes::from_static(&[0; 71])).await?)
    }

    async fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

fn check(report: &Report, skipped: &[&str]) {
    report.assert_passed();
    let surplus: Vec<_> = report
        .skipped()
        .filter(|case| !skipped.iter().any(|prefix| case.name.starts_with(prefix)))
        .map(ToString::to_string)
        .collect();
    assert!(surplus.is_empty(), "skipped: {surplus:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_below_the_layer_passes_the_conformance_suite() {
    let suite = Suite::new(|| async {
        let inner = FaultBackend::new(MemBackend::default());
        let faults = inner.clone();
        let again = EncryptedBackend::new(inner, key(1));
        let storage = Storage::new(again.clone())
            .with_plant(Junk(Arc::new(again.inner().clone())))
            .with_reopen(move || {
                let again = again.clone();
                async move { Ok(again) }
            });
        Ok(storage.with_unknown_outcome(move |operation: Operation| {
            faults.inject(Fault::lost_answer(operation));
            async { Ok(()) }
        }))
    });
    let report = suite
        .volatile("it keeps its blobs in a map in memory")
        .with_large_blob(LARGE)
        .run()
        .await;
    let skipped = [
        "absent::a_lost_storage",
        "bounded::an_upload_does_not_hold",
        "inventory::a_list_ends_after_an_error",
        "store-id::a_lost_storage",
        "ordered::a_shard_ends_after_an_error",
    ];
    check(&report, &skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_below_the_layer_passes_the_conformance_suite() {
    let suite = Suite::new(|| async {
        let folder = Arc::new(tempfile::tempdir()?);
        let root = folder.path().join("blobs");
        fs::create_dir(&root)?;
        let lost = root.clone();
        let beside = FsBackend::open(root.clone(), FsConfig::default()).await?;
        let open = move || {
            let opening = FsBackend::open(root.clone(), FsConfig::default());
            async move { Ok(EncryptedBackend::new(opening.await?, key(1))) }
        };
        let storage = Storage::new(open().await?);
        Ok(storage
            .with_plant(Junk(Arc::new(beside)))
            .with_reopen(open)
            .with_loss(move || {
                let lost = lost.clone();
                async move { Ok(fs::remove_dir_all(lost)?) }
            })
            .with_guard(folder))
    });
    let report = suite.with_large_blob(LARGE).run().await;
    check(&report, &["honest::"]);
}
