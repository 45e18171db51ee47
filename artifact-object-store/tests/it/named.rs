//! A table of names above the store, as a program that needs names keeps one: an overwrite stores under a new id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use artifact_object_store::{ArtifactObjectStore, new_path};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Extensions, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart,
};

#[derive(Debug, Clone)]
pub(crate) struct Named {
    store: ArtifactObjectStore,
    paths: Arc<Mutex<BTreeMap<Path, Path>>>,
}

impl Named {
    pub(crate) fn new(store: ArtifactObjectStore) -> Self {
        let paths = Arc::default();
        Self { store, paths }
    }

    fn known(&self, name: &Path) -> Option<Path> {
        self.paths.lock().unwrap().get(name).cloned()
    }

    /// Returns the path of a name, or a path where nothing is stored.
    fn path(&self, name: &Path) -> Path {
        self.known(name).unwrap_or_else(new_path)
    }

    async fn point(&self, name: &Path, path: Path) -> Result<()> {
        let before = self
            .paths
            .lock()
            .unwrap()
            .insert(name.clone(), path.clone());
        match before.filter(|before| *before != path) {
            Some(before) => self.store.delete(&before).await,
            None => Ok(()),
        }
    }

    async fn remove(&self, name: Path) -> Result<Path> {
        let path = self.paths.lock().unwrap().remove(&name);
        self.store.delete(&path.unwrap_or_else(new_path)).await?;
        Ok(name)
    }

    pub(crate) async fn remove_all(&self) {
        let names: Vec<_> = self.paths.lock().unwrap().keys().cloned().collect();
        for name in names {
            self.remove(name).await.unwrap();
        }
    }

    async fn all(self) -> Result<Vec<ObjectMeta>> {
        let stored: Vec<_> = self.store.list(None).try_collect().await?;
        let paths = self.paths.lock().unwrap();
        assert_eq!(
            stored.len(),
            paths.len(),
            "the list must contain exactly the stored blobs"
        );
        let metas = stored.into_iter().map(|meta| {
            let named = paths.iter().find(|(_, path)| **path == meta.location);
            let location = named.expect("each blob has a name").0.clone();
            ObjectMeta { location, ..meta }
        });
        let mut metas: Vec<_> = metas.collect();
        metas.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(metas)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named")
    }
}

#[async_trait]
impl ObjectStore for Named {
    async fn put_opts(
        &self,
        name: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let path = match options.mode {
            PutMode::Overwrite => {
                options.mode = PutMode::Create;
                new_path()
            }
            _ => self.path(name),
        };
        let put = self.store.put_opts(&path, payload, options).await?;
        self.point(name, path).await?;
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        name: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = new_path();
        let upload = self.store.put_multipart_opts(&path, options).await?;
        let (named, name) = (self.clone(), name.clone());
        Ok(Box::new(NamedUpload {
            named,
            name,
            path,
            upload,
        }))
    }

    async fn get_opts(&self, name: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.store.get_opts(&self.path(name), options).await?;
        got.meta.location = name.clone();
        Ok(got)
    }

    fn delete_stream(
        &self,
        names: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let table = self.clone();
        let removed = names.and_then(move |name| {
            let table = table.clone();
            async move { table.remove(name).await }
        });
        removed.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned().unwrap_or_default();
        let all = stream::once(self.clone().all()).map_ok(|all| stream::iter(all).map(Ok));
        let below = all.try_flatten().try_filter(move |object| {
            let rest = object.location.prefix_match(&prefix);
            std::future::ready(rest.is_some_and(|mut rest| rest.next().is_some()))
        });
        below.boxed()
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

    /// Copies by a load and a store, as the refusal of the store below advises.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.get(from).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        self.put_opts(to, bytes.into(), mode.into()).await.map(drop)
    }
}

#[derive(Debug)]
struct NamedUpload {
    named: Named,
    name: Path,
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for NamedUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        self.upload.put_part(part)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let put = self.upload.complete().await?;
        self.named.point(&self.name, self.path.clone()).await?;
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
