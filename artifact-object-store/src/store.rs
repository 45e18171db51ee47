//! The store: each operation is one or two of the backend.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, BlobStat, ByteRange};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, Extensions, GetOptions, GetResult, GetResultPayload,
    ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result,
};

use crate::error::{STORE, cannot_exist, failed, generic, not_an_id, refused};
use crate::path::{id_of, path_of};
use crate::upload::BlobUpload;

/// An [`ObjectStore`] over a backend. Clones share it.
///
/// A path is the id of a blob ([`path_of`]). Objects are created once and never change. What that rules
/// out is refused with [`Error::NotSupported`] or [`Error::NotImplemented`]; the crate's documentation
/// has the table.
#[derive(Debug, Clone)]
pub struct ArtifactObjectStore {
    backend: Arc<dyn ArtifactBackend>,
    inventory: Option<Arc<dyn ArtifactInventory>>,
}

impl ArtifactObjectStore {
    /// Wraps a backend.
    pub fn new(inventory: impl ArtifactInventory) -> Self {
        let inventory: Arc<dyn ArtifactInventory> = Arc::new(inventory);
        Self {
            backend: Arc::clone(&inventory) as _,
            inventory: Some(inventory),
        }
    }

    /// Wraps a backend that can neither list nor delete, for code that must not do either. Lists and
    /// deletes fail with [`Error::NotSupported`].
    pub fn without_inventory(backend: impl ArtifactBackend) -> Self {
        Self {
            backend: Arc::new(backend),
            inventory: None,
        }
    }

    fn inventory(&self, operation: &str) -> Result<Arc<dyn ArtifactInventory>> {
        self.inventory.clone().ok_or_else(|| {
            refused(format!(
                "this store cannot {operation}: it was created by ArtifactObjectStore::without_inventory; use \
                 ArtifactObjectStore::new where maintenance is allowed"
            ))
        })
    }

    async fn list_all(self) -> Result<BoxStream<'static, Result<ObjectMeta>>> {
        let list = self.inventory("list")?.list().await;
        let list = list.map_err(|error| failed(&Path::ROOT, error))?;
        let metas = list.map(|item| match item {
            Ok(blob) => Ok(meta_of(&blob)),
            Err(error) => {
                let path = error.id().map(path_of).unwrap_or_default();
                Err(failed(&path, error))
            }
        });
        Ok(metas.boxed())
    }

    async fn delete_one(&self, path: Path) -> Result<Path> {
        let inventory = self.inventory("delete")?;
        let id = id_of(&path).ok_or_else(|| cannot_exist(&path))?;
        let deleted = inventory.delete(id).await;
        deleted.map_err(|error| failed(&path, error))?;
        Ok(path)
    }
}

impl fmt::Display for ArtifactObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({:?})", self.backend)
    }
}

/// The e-tag of a blob: its id in quotes. The bytes under an id never change, so it is a strong one.
fn e_tag(id: ArtifactId) -> String {
    format!("\"{id}\"")
}

fn meta_of(blob: &BlobStat) -> ObjectMeta {
    ObjectMeta {
        location: path_of(blob.id),
        last_modified: blob.modified.into(),
        size: blob.size,
        e_tag: Some(e_tag(blob.id)),
        version: None,
    }
}

pub(crate) fn put_result(id: ArtifactId) -> PutResult {
    PutResult {
        e_tag: Some(e_tag(id)),
        version: None,
        extensions: Extensions::default(),
    }
}

/// Returns the id under which a put stores, unless the put has attributes.
fn id_to_store(path: &Path, attributes: &Attributes) -> Result<ArtifactId> {
    if !attributes.is_empty() {
        return Err(refused(
            "a blob has no attributes: keep the content type and other metadata beside its path, in a table of \
             your own",
        ));
    }
    id_of(path).ok_or_else(|| not_an_id(path))
}

#[async_trait]
impl ObjectStore for ArtifactObjectStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        match options.mode {
            PutMode::Create => {}
            PutMode::Overwrite => {
                return Err(refused(
                    "blobs are never overwritten: call put_opts with PutMode::Create and a new path from \
                     artifact_object_store::new_path()",
                ));
            }
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "put_opts with PutMode::Update (blobs never change: use PutMode::Create and a new path \
                                from artifact_object_store::new_path())"
                        .into(),
                    implementer: STORE.into(),
                });
            }
        }
        let id = id_to_store(path, &options.attributes)?;
        let stored = self.backend.store(id, payload.into()).await;
        stored.map_err(|error| failed(path, error))?;
        Ok(put_result(id))
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let id = id_to_store(path, &options.attributes)?;
        let upload = self.backend.upload(id).await;
        let upload = upload.map_err(|error| failed(path, error))?;
        Ok(Box::new(BlobUpload::new(path.clone(), id, upload)))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if options.version.is_some() {
            return Err(refused(
                "a blob has no versions: leave out GetOptions::version",
            ));
        }
        let id = id_of(path).ok_or_else(|| cannot_exist(path))?;
        let blob = self.backend.stat(id).await;
        let meta = meta_of(&blob.map_err(|error| failed(path, error))?);
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => range.as_range(meta.size).map_err(generic)?,
        };
        let payload = if options.head || range.is_empty() {
            stream::empty().boxed()
        } else {
            let download = self.backend.download(id, inclusive(&range)).await;
            let download = download.map_err(|error| failed(path, error))?;
            let path = path.clone();
            download.map_err(move |error| failed(&path, error)).boxed()
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: Attributes::default(),
            extensions: Extensions::default(),
        })
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = paths.map(move |path| {
            let store = store.clone();
            async move { store.delete_one(path?).await }
        });
        deleted.buffered(PARALLEL_DELETES).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if is_below_root(prefix) {
            return stream::empty().boxed();
        }
        stream::once(self.clone().list_all()).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        Ok(ListResult {
            common_prefixes: Vec::new(),
            objects: self.list(prefix).try_collect().await?,
            extensions: Extensions::default(),
        })
    }

    async fn copy_opts(&self, from: &Path, _to: &Path, _: CopyOptions) -> Result<()> {
        Err(no_second_name("copied", from))
    }

    async fn rename_opts(&self, from: &Path, _to: &Path, _: RenameOptions) -> Result<()> {
        Err(no_second_name("renamed", from))
    }
}

/// The deletes of one `delete_stream` that run at once.
const PARALLEL_DELETES: usize = 8;

/// Returns the range with the last position included. The range is not empty.
fn inclusive(range: &Range<u64>) -> ByteRange {
    ByteRange::FromTo {
        first: range.start,
        last: range.end.saturating_sub(1),
    }
}

/// Returns whether a prefix is a folder. No path has two segments, so it is empty.
fn is_below_root(prefix: Option<&Path>) -> bool {
    prefix.is_some_and(|prefix| !prefix.as_ref().is_empty())
}

fn no_second_name(done: &str, from: &Path) -> Error {
    refused(format!(
        "a blob cannot be {done}, because its id is its only name: load {from:?} and store the bytes under a new path \
         from artifact_object_store::new_path(), or give it a second name in a table of your own",
        from = from.as_ref()
    ))
}
