//! `object_store`'s own integration tests, as far as they apply. The README says which do not.

use artifact_backend_mem::MemBackend;
use artifact_object_store::{ArtifactObjectStore, new_path};
use object_store::{Error, integration};

use crate::named::Named;

#[tokio::test]
async fn an_absent_object_passes_without_a_table_of_names() {
    let store = ArtifactObjectStore::new(MemBackend::default());
    // The first path is `this_file_should_not_exist`.
    for path in [None, Some(new_path())] {
        let missing = integration::get_nonexistent_object(&store, path).await;
        assert!(
            matches!(missing, Err(Error::NotFound { .. })),
            "{missing:?}"
        );
    }
}

#[tokio::test]
async fn reads_writes_conditions_and_uploads_pass_below_a_table_of_names() {
    let store = Named::new(ArtifactObjectStore::new(MemBackend::default()));
    integration::put_get_delete_list(&store).await;
    integration::get_opts(&store).await;
    integration::put_opts(&store, false).await;
    store.remove_all().await;
    integration::stream_get(&store).await;
    integration::list_uses_directories_correctly(&store).await;
    integration::list_with_delimiter(&store).await;
    integration::list_with_offset_exclusivity(&store).await;
}
