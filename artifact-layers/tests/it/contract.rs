//! The whole conformance suite through each layer, over memory and over a folder.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend as _, ArtifactBackendExt, ArtifactId, ArtifactInventory, BoxError, ErrorKind,
    Operation,
};
use artifact_backend_conformance::{Fault, FaultBackend, Plant, Storage, Suite};
use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_backend_pack::{PackBackend, PackConfig};
use artifact_layers::{
    ConcurrencyLimit, MovingBackend, ReadCache, Retry, Tenant, Throttle, Timeout,
};
use async_trait::async_trait;

use crate::support::{Breaking, backend};

/// The time limit of a case. A busy machine must not fail one.
const PATIENCE: Duration = Duration::from_secs(300);

/// The cases that need a plant. It needs the id of a blob in the storage, which a tenant hides.
const WITH_PLANT: [&str; 5] = [
    "contained::planted_objects_are_never_read",
    "contained::planted_objects_are_never_written_through",
    "contained::planted_objects_are_not_treated_as_blobs",
    "inventory::list_reports_a_damaged_blob_and_goes_on",
    "ordered::damage_is_in_its_place",
];

async fn assert_passes(suite: Suite, skipped: &[&str]) {
    let suite = suite.with_large_blob(Suite::MIN_LARGE_BLOB);
    let report = suite.with_time_limit(PATIENCE).run().await;
    report.assert_passed();
    let names: Vec<_> = report.skipped().map(|case| case.name).collect();
    assert_eq!(names, skipped, "{report}");
}

/// Runs every case on a layer over memory.
async fn passes_over_memory<B: ArtifactInventory + Clone>(layer: fn(FaultBackend) -> B) {
    let suite = suite(layer, |storage, inner| storage.with_plant(Damage(inner)));
    assert_passes(suite, &[]).await;
}

/// Damages a blob, because a map has no place for a hostile object.
struct Damage(FaultBackend);

#[async_trait]
impl Plant for Damage {
    fn name(&self) -> &'static str {
        "a damaged blob"
    }

    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError> {
        self.0.damage(id);
        Ok(())
    }

    async fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Makes a suite of a layer over memory, with every hook. `plant` may add a plant.
fn suite<B: ArtifactInventory + Clone>(
    layer: fn(FaultBackend) -> B,
    plant: fn(Storage, FaultBackend) -> Storage,
) -> Suite {
    Suite::new(move || async move {
        let inner = backend();
        let [lost, ambiguous, planted] = [(); 3].map(|()| inner.clone());
        let layered = layer(inner);
        let reopened = layered.clone();
        let storage = Storage::new(layered)
            .with_reopen(move || {
                let reopened = reopened.clone();
                async move { Ok(reopened) }
            })
            .with_loss(move || {
                for operation in [
                    Operation::Load,
                    Operation::Download,
                    Operation::Stat,
                    Operation::List,
                    Operation::Store,
                    Operation::ReadStoreId,
                ] {
                    // A case calls each operation at most twice after the loss.
                    for nth in 1..=2 {
                        let fault = Fault::before(operation, ErrorKind::Misconfigured);
                        lost.inject(fault.nth(nth));
                    }
                }
                async { Ok(()) }
            })
            .with_unknown_outcome(move |operation| {
                ambiguous.inject(Fault::lost_answer(operation));
                async { Ok(()) }
            })
            .with_leftover_count(|| async { Ok(0) });
        Ok(plant(storage, planted))
    })
}

#[cfg(feature = "tracing")]
#[tokio::test(flavor = "multi_thread")]
async fn trace_keeps_the_contract() {
    passes_over_memory(|inner| inner.layer(artifact_layers::Trace::new())).await;
}

#[cfg(feature = "metrics")]
#[tokio::test(flavor = "multi_thread")]
async fn metrics_keep_the_contract() {
    passes_over_memory(|inner| inner.layer(artifact_layers::Metrics::new("test"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_keeps_the_contract() {
    passes_over_memory(|inner| inner.layer(Retry::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn timeout_keeps_the_contract() {
    passes_over_memory(|inner| inner.layer(Timeout::new(PATIENCE))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_limit_keeps_the_contract() {
    passes_over_memory(|inner| inner.layer(ConcurrencyLimit::new(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_limit_of_open_streams_keeps_the_contract() {
    passes_over_memory(|inner| inner.layer(ConcurrencyLimit::new(2).with_max_open(8))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttle_keeps_the_contract() {
    passes_over_memory(|inner| {
        let throttle = Throttle::new().with_operations_per_second(100_000);
        inner.layer(throttle.with_bytes_per_second(4 << 30))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_cache_keeps_the_contract() {
    passes_over_memory(|inner| inner.layer(ReadCache::new(1 << 20))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_keep_the_contract() {
    let suite = suite(|inner| inner.layer(Tenant::new(7)), |storage, _| storage);
    assert_passes(suite, &WITH_PLANT).await;
}

/// Blobs are stored in the current backend; the previous one is empty.
#[tokio::test(flavor = "multi_thread")]
async fn two_backends_keep_the_contract_while_blobs_move() {
    passes_over_memory(|inner| {
        let previous = artifact_backend_mem::MemBackend::default();
        MovingBackend::new(Arc::new(inner), Arc::new(previous))
    })
    .await;
}

/// The caller never sees that a third of the calls fail, and that downloads break.
#[tokio::test(flavor = "multi_thread")]
async fn retry_over_a_backend_that_fails_often_keeps_the_contract() {
    let fresh = || async {
        let inner = backend();
        for operation in [
            Operation::Store,
            Operation::Upload,
            Operation::Load,
            Operation::Download,
            Operation::Stat,
            Operation::List,
            Operation::Delete,
            Operation::Sweep,
            Operation::ReadStoreId,
            Operation::CreateStoreId,
        ] {
            for nth in (1..120).step_by(3) {
                inner.inject(Fault::before(operation, ErrorKind::Unavailable).nth(nth));
            }
        }
        let delay = Duration::from_millis(1);
        let retry = Retry::new().with_max_retries(50).with_delays(delay, delay);
        let layered = Breaking::new(inner).layer(retry);
        let reopened = layered.clone();
        Ok(Storage::new(layered).with_reopen(move || {
            let reopened = reopened.clone();
            async move { Ok(reopened) }
        }))
    };
    let report = Suite::new(fresh)
        .with_large_blob(Suite::MIN_LARGE_BLOB)
        .with_time_limit(PATIENCE)
        .run()
        .await;
    report.assert_passed();
    for case in report.skipped() {
        // They need a loss, an unknown outcome or a plant.
        let clause = case.name.split("::").next();
        assert!(
            matches!(
                clause,
                Some("contained" | "absent" | "honest" | "inventory" | "store-id" | "ordered")
            ),
            "{case}"
        );
    }
}

/// Puts all layers that need no feature around a backend that is known only at run time.
fn all_layers(inner: Arc<dyn ArtifactInventory>) -> Arc<dyn ArtifactInventory> {
    Arc::new(
        inner
            .layer(ConcurrencyLimit::new(16))
            .layer(Throttle::new().with_bytes_per_second(4 << 30))
            .layer(Timeout::new(PATIENCE))
            .layer(Retry::new())
            .layer(Tenant::new(u32::MAX)),
    )
}

/// Two handles open the same folder, each with its own layers.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_layers_over_a_folder_keeps_the_contract() {
    assert_passes_over_folders(|inner| all_layers(Arc::new(inner))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_cache_over_a_folder_keeps_the_contract_for_one_handle() {
    let report = folder_suite(|inner| Arc::new(inner.layer(ReadCache::new(1 << 20))))
        .run()
        .await;
    let failed: Vec<_> = report.failures().map(|case| case.name).collect();
    // As documented, a handle may serve what another has deleted.
    let deletes = "durable::a_second_handle_sees_acknowledged_changes_at_once";
    let random = "concurrent::random_operations_through_two_handles_agree_with_a_model";
    assert!(failed.contains(&deletes), "{report}");
    assert!(
        failed.iter().all(|case| [deletes, random].contains(case)),
        "{report}"
    );
}

/// The layers pass notes on, and every clause of their contract holds through them. `only` runs no other cases.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_layers_over_segments_keeps_the_contract_of_notes() {
    let fresh = || async {
        let folder = Arc::new(tempfile::tempdir_in(fast_folder())?);
        let root = folder.path().join("blobs");
        let open = move || PackBackend::open(root.clone(), PackConfig::default());
        let layered = |inner: PackBackend| {
            inner
                .layer(ConcurrencyLimit::new(16))
                .layer(Throttle::new().with_bytes_per_second(4 << 30))
                .layer(Timeout::new(PATIENCE))
                .layer(Retry::new())
                .layer(ReadCache::new(1 << 20))
        };
        let backend = layered(open().await?);
        // Without notes, the cases have nothing to check.
        assert!(backend.noted().is_some() && backend.note_log().is_some());
        let storage = Storage::new(backend);
        let reopen = move || {
            let opening = open();
            async move { Ok(layered(opening.await?)) }
        };
        Ok(storage.with_exclusive_reopen(reopen).with_guard(folder))
    };
    let suite = Suite::new(fresh).with_time_limit(PATIENCE).only("noted::");
    let report = suite.run().await;
    report.assert_passed();
    let skipped: Vec<_> = report.skipped().map(|case| case.name).collect();
    assert_eq!(skipped, [""; 0], "{report}");
    assert!(report.cases().len() >= 8, "{report}");
}

async fn assert_passes_over_folders(layer: fn(FsBackend) -> Arc<dyn ArtifactInventory>) {
    let report = folder_suite(layer).run().await;
    report.assert_passed();
    for case in report.skipped() {
        let is_honest = case.name.starts_with("honest::");
        assert!(is_honest || WITH_PLANT.contains(&case.name), "{case}");
    }
}

fn folder_suite(layer: fn(FsBackend) -> Arc<dyn ArtifactInventory>) -> Suite {
    let fresh = move || async move {
        let folder = Arc::new(tempfile::tempdir_in(fast_folder())?);
        let root = folder.path().join("blobs");
        let lost = root.clone();
        let open = move || FsBackend::open(root.clone(), FsConfig::default());
        let storage = Storage::new(layer(open().await?))
            .with_reopen(move || {
                let opening = open();
                async move { Ok(layer(opening.await?)) }
            })
            .with_loss(move || {
                let lost = lost.clone();
                async move { Ok(remove_folder(&lost)?) }
            })
            .with_guard(folder);
        Ok(storage)
    };
    Suite::new(fresh)
        .with_large_blob(Suite::MIN_LARGE_BLOB)
        .with_time_limit(PATIENCE)
}

#[expect(clippy::disallowed_methods, reason = "the test removes its own folder")]
fn remove_folder(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(folder)
}

/// A folder in memory, where syncs take no time, or the folder for temporary files.
fn fast_folder() -> std::path::PathBuf {
    let in_memory = std::path::Path::new("/dev/shm");
    if in_memory.is_dir() {
        in_memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}
