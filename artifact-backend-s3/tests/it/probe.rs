//! The probe on correct stores and on faulty ones.

use std::fmt;
use std::sync::Arc;

use artifact_backend::{ArtifactInventory, Error, ErrorKind};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use std::time::Duration;

/// A fault of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A create overwrites.
    Overwrites,
    /// A create checks first and writes later.
    ChecksFirst,
    /// A copy overwrites.
    CopyOverwrites,
    /// A copy checks first and writes later.
    CopyChecksFirst,
    /// A create is rejected but writes anyway.
    RejectsAndWrites,
    /// A range starts one byte too late.
    ShiftsRanges,
    /// A list shows nothing.
    HidesObjects,
    /// A delete does nothing.
    KeepsObjects,
}

#[derive(Debug)]
struct Faulty(InMemory, Fault);

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        match self.1 {
            Fault::Overwrites => options.mode = PutMode::Overwrite,
            Fault::ChecksFirst if self.0.head(at).await.is_err() => {
                // Lets the other writers check now.
                tokio::task::yield_now().await;
                options.mode = PutMode::Overwrite;
            }
            Fault::RejectsAndWrites if self.0.head(at).await.is_ok() => {
                let rejected = self.0.put_opts(at, payload.clone(), options.clone()).await;
                options.mode = PutMode::Overwrite;
                self.0.put_opts(at, payload, options).await?;
                return rejected;
            }
            _ => {}
        }
        self.0.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, mut options: GetOptions) -> Result<GetResult> {
        if self.1 == Fault::ShiftsRanges
            && let Some(object_store::GetRange::Bounded(range)) = &mut options.range
        {
            *range = range.start + 1..range.end + 1;
        }
        self.0.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        places: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.1 {
            Fault::KeepsObjects => places,
            _ => self.0.delete_stream(places),
        }
    }

    fn list(&self, place: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.1 {
            Fault::HidesObjects => futures_util::stream::empty().boxed(),
            _ => self.0.list(place),
        }
    }

    async fn list_with_delimiter(&self, place: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(place).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, mut options: CopyOptions) -> Result<()> {
        match self.1 {
            Fault::CopyOverwrites => options.mode = CopyMode::Overwrite,
            Fault::CopyChecksFirst if self.0.head(to).await.is_err() => {
                tokio::task::yield_now().await;
                options.mode = CopyMode::Overwrite;
            }
            _ => {}
        }
        self.0.copy_opts(from, to, options).await
    }
}

fn backend(store: Arc<dyn ObjectStore>) -> ObjectStoreBackend {
    ObjectStoreBackend::from_store(store, "p", S3Config::default()).unwrap()
}

async fn probe_error(fault: Fault) -> Error {
    let store = Arc::new(Faulty(InMemory::new(), fault));
    let error = backend(store).probe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{fault:?}: {error}");
    error
}

#[tokio::test]
async fn faulty_stores_are_rejected_and_the_error_names_the_fault() {
    let table = [
        (Fault::Overwrites, "a second create of one key succeed"),
        (Fault::ChecksFirst, "8 of 8 creates that raced"),
        (Fault::CopyOverwrites, "an upload in parts succeed over"),
        (Fault::CopyChecksFirst, "4 of 4 uploads in parts that raced"),
        (
            Fault::RejectsAndWrites,
            "bytes that differ from the acknowledged write",
        ),
        (Fault::ShiftsRanges, "the range bytes=3-16"),
        (Fault::HidesObjects, "a list does not show"),
        (Fault::KeepsObjects, "still has an object that was deleted"),
    ];
    for (fault, text) in table {
        let error = probe_error(fault).await;
        assert!(error.detail().contains(text), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_correct_store_passes_and_no_object_is_left() {
    let store = Arc::new(InMemory::new());
    let backend = backend(Arc::clone(&store) as _);
    assert!(backend.probe().await.unwrap().keeps_metadata);
    let left: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(left, []);
    let report = backend.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(report, artifact_backend::SweepReport::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_folder_passes_and_is_reported_without_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let report = backend(Arc::new(store)).probe().await.unwrap();
    assert!(!report.keeps_metadata);
}
