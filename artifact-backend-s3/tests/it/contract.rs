//! The conformance suite on the stores of `object_store` that need no server.

use std::sync::Arc;

use artifact_backend_conformance::{Storage, Suite};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

/// Sets parts so small that the suite's blobs have many.
fn config() -> S3Config {
    S3Config::default().with_part_bytes(64 << 10)
}

fn storage(store: Arc<dyn ObjectStore>, prefix: &'static str) -> Storage {
    let open = move || ObjectStoreBackend::from_store(Arc::clone(&store), prefix, config());
    Storage::new(open().unwrap()).with_reopen(move || {
        let opened = open();
        async move { Ok(opened?) }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_memory_passes_the_conformance_suite() {
    for prefix in ["", "some/prefix"] {
        let fresh = move || async move { Ok(storage(Arc::new(InMemory::new()), prefix)) };
        let report = Suite::new(fresh)
            .volatile("it stores blobs in the memory of the process")
            .run()
            .await;
        report.assert_passed();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_folder_without_metadata_passes_the_conformance_suite() {
    let fresh = || async {
        let folder = tempfile::tempdir()?;
        let store = LocalFileSystem::new_with_prefix(folder.path())?.with_fsync(true);
        Ok(storage(Arc::new(store), "prefix").with_guard(folder))
    };
    Suite::new(fresh).run().await.assert_passed();
}
