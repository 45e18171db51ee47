//! The service: what a backend can do, and what it refuses.

use std::sync::Arc;

use artifact_backend::{ArtifactInventory, BlobStat};
use opendal_core::raw::{
    OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir,
    RpPresign, RpRename, RpStat, Service, ServiceInfo, oio,
};
use opendal_core::{Capability, Error, Metadata, MetadataBuilder, OperationContext, Result};

use crate::deleter::BlobDeleter;
use crate::error::{cannot_exist, failed, not_an_id, refused};
use crate::lister::BlobLister;
use crate::path::id_of;
use crate::reader::BlobReader;
use crate::writer::BlobWriter;

/// The scheme of the service.
pub const SCHEME: &str = "artifact";

/// A backend as an opendal service. [`ArtifactBuilder`](crate::ArtifactBuilder) creates it.
#[derive(Debug, Clone)]
pub struct ArtifactService {
    backend: Arc<dyn ArtifactInventory>,
}

impl ArtifactService {
    pub(crate) fn new(backend: Arc<dyn ArtifactInventory>) -> Self {
        Self { backend }
    }
}

/// Returns the metadata of a blob. Its etag is its id in quotes, because its bytes never change.
pub(crate) fn metadata_of(blob: &BlobStat) -> Result<Metadata> {
    let mut metadata = MetadataBuilder::file(blob.size);
    metadata.etag(format!("\"{}\"", blob.id));
    metadata.last_modified(blob.modified.try_into()?);
    Ok(metadata.build())
}

fn no_folders() -> Error {
    refused("there are no folders: write each blob to a new path from artifact_opendal::new_path()")
}

fn no_second_name(done: &str, from: &str) -> Error {
    refused(format!(
        "a blob cannot be {done}, because its id is its only name: read {from:?} and write the bytes to a new path from \
         artifact_opendal::new_path(), or give it a second name in a table of your own"
    ))
}

/// Rejects a write that is not an exclusive create of bytes alone.
fn check_write(args: &OpWrite) -> Result<()> {
    if !args.if_not_exists() {
        return Err(refused(
            "blobs are never overwritten: call write_with(..).if_not_exists(true) with a new path from \
             artifact_opendal::new_path()",
        ));
    }
    let metadata = [
        args.content_type(),
        args.content_disposition(),
        args.content_encoding(),
        args.cache_control(),
    ];
    if metadata.iter().any(Option::is_some) || args.user_metadata().is_some() {
        return Err(refused(
            "a blob has no metadata: keep the content type and the like beside its path, in a table of your own",
        ));
    }
    Ok(())
}

impl Service for ArtifactService {
    type Reader = oio::StreamReader<BlobReader>;
    type Writer = BlobWriter;
    type Lister = BlobLister;
    type Deleter = oio::OneShotDeleter<BlobDeleter>;
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::new(SCHEME, "/", "")
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            read: true,
            read_with_suffix: true,
            write: true,
            write_can_multi: true,
            write_can_empty: true,
            write_with_if_not_exists: true,
            delete: true,
            list: true,
            list_with_recursive: true,
            ..Capability::default()
        }
    }

    async fn create_dir(
        &self,
        _: &OperationContext,
        _: &str,
        _: OpCreateDir,
    ) -> Result<RpCreateDir> {
        Err(no_folders())
    }

    async fn stat(&self, _: &OperationContext, path: &str, _: OpStat) -> Result<RpStat> {
        if path == "/" {
            return Ok(RpStat::new(MetadataBuilder::dir().build()));
        }
        let id = id_of(path).ok_or_else(cannot_exist)?;
        let blob = self.backend.stat(id).await.map_err(failed)?;
        Ok(RpStat::new(metadata_of(&blob)?))
    }

    fn read(&self, _: &OperationContext, path: &str, _: OpRead) -> Result<Self::Reader> {
        let id = id_of(path).ok_or_else(cannot_exist)?;
        let reader = BlobReader::new(Arc::clone(&self.backend), id);
        Ok(oio::StreamReader::new(reader))
    }

    fn write(&self, _: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        if path.ends_with('/') {
            // opendal creates a folder by a write if the service cannot.
            return Err(no_folders());
        }
        check_write(&args)?;
        let id = id_of(path).ok_or_else(|| not_an_id(path))?;
        Ok(BlobWriter::new(Arc::clone(&self.backend), id))
    }

    fn delete(&self, _: &OperationContext) -> Result<Self::Deleter> {
        let deleter = BlobDeleter::new(Arc::clone(&self.backend));
        Ok(oio::OneShotDeleter::new(deleter))
    }

    fn list(&self, _: &OperationContext, path: &str, _: OpList) -> Result<Self::Lister> {
        Ok(BlobLister::new(Arc::clone(&self.backend), path))
    }

    fn copy(&self, _: &OperationContext, from: &str, _: &str, _: OpCopy) -> Result<Self::Copier> {
        Err(no_second_name("copied", from))
    }

    async fn rename(
        &self,
        _: &OperationContext,
        from: &str,
        _: &str,
        _: OpRename,
    ) -> Result<RpRename> {
        Err(no_second_name("renamed", from))
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        Err(refused(
            "a backend has no URLs: serve its blobs over HTTP, for example with artifact-http",
        ))
    }
}
