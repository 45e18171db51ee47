//! `object_store`'s own integration tests, except those of features that a backend does not have: tags,
//! conditional reads, updates, and parts out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use artifact_backend::{
    ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ByteRange, Error as BackendError,
    ErrorKind, Upload,
};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, Error, Extensions, GetOptions, GetRange, GetResult,
    GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
    integration,
};
use tokio::sync::mpsc;

use crate::location::Location;

#[tokio::test(flavor = "multi_thread")]
async fn object_stores_own_tests_pass_on_each_provider() {
    for location in Location::each().await {
        println!("{} at {}", location.name(), location.address());
        let store = Named::new(location.open(S3Config::default()));
        let missing = integration::get_nonexistent_object(&store, None).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })));
        integration::put_get_delete_list(&store).await;
        integration::put_opts(&store, false).await;
        store.delete(&Path::from("put_opts")).await.unwrap();
        integration::stream_get(&store).await;
        integration::list_uses_directories_correctly(&store).await;
        integration::list_with_delimiter(&store).await;
        integration::list_with_offset_exclusivity(&store).await;
        integration::rename_and_copy(&store).await;
        integration::copy_if_not_exists(&store).await;
        integration::copy_rename_nonexistent_object(&store).await;
    }
}

/// An `ObjectStore` over a backend: maps names to ids. An overwrite stores under a new id.
#[derive(Debug, Clone)]
struct Named {
    backend: Arc<ObjectStoreBackend>,
    ids: Arc<Mutex<BTreeMap<Path, ArtifactId>>>,
}

impl Named {
    fn new(backend: ObjectStoreBackend) -> Self {
        let (backend, ids) = (Arc::new(backend), Arc::default());
        Self { backend, ids }
    }

    fn known(&self, name: &Path) -> Option<ArtifactId> {
        self.ids.lock().unwrap().get(name).copied()
    }

    /// Returns the id of a name, or a new id if the name is new.
    fn id(&self, name: &Path) -> ArtifactId {
        self.known(name).unwrap_or_else(ArtifactId::mint)
    }

    async fn name(&self, name: &Path, id: ArtifactId) -> Result<PutResult> {
        let before = self.ids.lock().unwrap().insert(name.clone(), id);
        if let Some(before) = before.filter(|before| *before != id) {
            let deleted = self.backend.delete(before).await;
            deleted.map_err(|error| failed(name, error))?;
        }
        Ok(PutResult {
            e_tag: None,
            version: None,
            extensions: Extensions::default(),
        })
    }

    async fn remove(&self, name: &Path) -> Result<()> {
        let deleted = self.backend.delete(self.id(name)).await;
        deleted.map_err(|error| failed(name, error))?;
        self.ids.lock().unwrap().remove(name);
        Ok(())
    }

    async fn all(self) -> Result<Vec<ObjectMeta>> {
        let wrong = |error| failed(&Path::ROOT, error);
        let blobs = self.backend.list().await.map_err(wrong)?;
        let blobs: BTreeMap<_, _> = blobs
            .map_ok(|blob| (blob.id, blob))
            .try_collect()
            .await
            .map_err(wrong)?;
        let ids = self.ids.lock().unwrap();
        assert_eq!(
            blobs.len(),
            ids.len(),
            "the list must contain exactly the stored blobs"
        );
        let named = ids.iter().map(|(name, id)| ObjectMeta {
            location: name.clone(),
            last_modified: blobs[id].modified.into(),
            size: blobs[id].size,
            e_tag: None,
            version: None,
        });
        Ok(named.collect())
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named")
    }
}

fn failed(name: &Path, error: BackendError) -> Error {
    let (path, kind, source) = (name.to_string(), error.kind(), Box::new(error));
    match kind {
        ErrorKind::NotFound => Error::NotFound { path, source },
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        _ => Error::Generic {
            store: "Named",
            source,
        },
    }
}

#[async_trait]
impl ObjectStore for Named {
    async fn put_opts(
        &self,
        name: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let id = match options.mode {
            PutMode::Create => self.id(name),
            PutMode::Overwrite => ArtifactId::mint(),
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "update".into(),
                    implementer: "Named".into(),
                });
            }
        };
        let stored = self.backend.store(id, bytes.into()).await;
        stored.map_err(|error| failed(name, error))?;
        self.name(name, id).await
    }

    async fn put_multipart_opts(
        &self,
        name: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let id = ArtifactId::mint();
        let upload = self.backend.upload(id).await;
        let upload = upload.map_err(|error| failed(name, error))?;
        let (sent, pieces) = mpsc::unbounded_channel();
        let open = Arc::new(tokio::sync::Mutex::new(Some((upload, pieces))));
        let (store, name) = (self.clone(), name.clone());
        Ok(Box::new(Parts {
            store,
            name,
            id,
            sent,
            open,
        }))
    }

    async fn get_opts(&self, name: &Path, options: GetOptions) -> Result<GetResult> {
        let wrong = |error| failed(name, error);
        let id = self.id(name);
        let stat = self.backend.stat(id).await.map_err(wrong)?;
        let range = match options.range {
            None => ByteRange::Full,
            Some(GetRange::Bounded(Range { start, end })) => ByteRange::FromTo {
                first: start,
                last: end - 1,
            },
            Some(GetRange::Offset(first)) => ByteRange::From(first),
            Some(GetRange::Suffix(length)) => ByteRange::Suffix(length),
        };
        let (range, body) = if options.head {
            (0..stat.size, stream::empty().boxed())
        } else {
            let body = self.backend.download(id, range).await.map_err(wrong)?;
            let name = name.clone();
            (
                body.range(),
                body.map_err(move |error| failed(&name, error)).boxed(),
            )
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(body),
            meta: ObjectMeta {
                location: name.clone(),
                last_modified: stat.modified.into(),
                size: stat.size,
                e_tag: None,
                version: None,
            },
            range,
            attributes: Attributes::default(),
            extensions: Extensions::default(),
        })
    }

    fn delete_stream(
        &self,
        names: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        names
            .and_then(move |name| {
                let store = store.clone();
                async move { store.remove(&name).await.map(|()| name) }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned().unwrap_or_default();
        let all = stream::once(self.clone().all()).map_ok(|all| stream::iter(all).map(Ok));
        all.try_flatten()
            .try_filter(move |object| {
                let rest = object.location.prefix_match(&prefix);
                std::future::ready(rest.is_some_and(|mut rest| rest.next().is_some()))
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        let (mut objects, mut folders) = (Vec::new(), BTreeSet::new());
        for object in self.list(Some(&prefix)).try_collect::<Vec<_>>().await? {
            let mut rest = object.location.prefix_match(&prefix).unwrap();
            match (rest.next(), rest.next()) {
                (Some(folder), Some(_)) => drop(folders.insert(prefix.clone().join(folder))),
                _ => objects.push(object.clone()),
            }
        }
        Ok(ListResult {
            common_prefixes: folders.into_iter().collect(),
            objects,
            extensions: Extensions::default(),
        })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.get(from).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        self.put_opts(to, bytes.into(), mode.into()).await.map(drop)
    }
}

type Open = (Box<dyn Upload>, mpsc::UnboundedReceiver<Bytes>);

/// Writes parts in the order of their creation, in whatever order they are polled.
#[derive(Debug)]
struct Parts {
    store: Named,
    name: Path,
    id: ArtifactId,
    sent: mpsc::UnboundedSender<Bytes>,
    open: Arc<tokio::sync::Mutex<Option<Open>>>,
}

#[async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        self.sent.send(part.into()).unwrap();
        let (open, name) = (Arc::clone(&self.open), self.name.clone());
        Box::pin(async move {
            if let Some((upload, pieces)) = &mut *open.lock().await {
                while let Ok(piece) = pieces.try_recv() {
                    let written = upload.write(piece).await;
                    written.map_err(|error| failed(&name, error))?;
                }
            }
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (upload, _) = self.open.lock().await.take().unwrap();
        let committed = upload.commit().await;
        committed.map_err(|error| failed(&self.name, error))?;
        self.store.name(&self.name, self.id).await
    }

    async fn abort(&mut self) -> Result<()> {
        let (upload, _) = self.open.lock().await.take().unwrap();
        let aborted = upload.abort().await;
        aborted.map_err(|error| failed(&self.name, error))
    }
}
