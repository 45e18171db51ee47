//! The contract, and the order of a list, which the contract does not require.

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory};
use artifact_backend_conformance::{Storage, Suite};
use artifact_backend_mem::{MemBackend, MemConfig};
use bytes::Bytes;
use futures_util::TryStreamExt;

fn storage(config: MemConfig) -> Storage {
    let backend = MemBackend::new(config);
    let again = backend.clone();
    Storage::new(backend).with_reopen(move || {
        // No other process can open a map, so reopening returns another handle.
        let again = again.clone();
        async move { Ok(again) }
    })
}

fn suite() -> Suite {
    Suite::new(|| async { Ok(storage(MemConfig::default())) })
        .volatile("it keeps its blobs in a map in memory")
}

/// One test for each case.
mod suite {
    // A map cannot get lost, its outcomes are always known, and nothing can be planted in it.
    artifact_backend_conformance::conformance_tests! {
        super::suite(),
        may_skip: [
            "absent::a_lost_storage_never_returns_not_found",
            "honest::a_store_of_unknown_outcome_is_ambiguous",
            "honest::a_commit_of_unknown_outcome_is_ambiguous",
            "bounded::an_upload_does_not_hold_the_blob_in_memory",
            "contained::planted_objects_are_never_read",
            "contained::planted_objects_are_never_written_through",
            "contained::planted_objects_are_not_treated_as_blobs",
            "inventory::list_reports_a_damaged_blob_and_goes_on",
            "inventory::a_list_ends_after_an_error_that_is_not_a_damaged_blob",
            "store-id::a_lost_storage_is_an_error_and_not_a_missing_store_id",
            "ordered::damage_is_in_its_place",
            "ordered::a_shard_ends_after_an_error_that_is_not_a_damaged_blob",
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes_below_the_limit() {
    let config = || MemConfig::default().with_max_total_bytes(200 * 1024 * 1024);
    let suite = Suite::new(move || async move { Ok(storage(config())) });
    let report = suite
        .volatile("it keeps its blobs in a map in memory")
        .run()
        .await;
    report.assert_passed();
}

#[tokio::test]
async fn lists_are_sorted_and_include_later_ids_stored_meanwhile() {
    let backend = MemBackend::default();
    let id = |byte| ArtifactId::from_bytes([byte; 16]);
    backend.store(id(1), Bytes::new()).await.unwrap();
    backend.store(id(3), Bytes::new()).await.unwrap();
    let mut list = backend.list().await.unwrap();
    assert_eq!(list.try_next().await.unwrap().unwrap().id, id(1));
    backend.store(id(2), Bytes::new()).await.unwrap();
    backend.delete(id(3)).await.unwrap();
    assert_eq!(list.try_next().await.unwrap().unwrap().id, id(2));
    assert_eq!(list.try_next().await.unwrap(), None);
}
