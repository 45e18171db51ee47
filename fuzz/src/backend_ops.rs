//! Target `backend_ops`: compares random operations on the map and on a folder with a model. Hostile files are
//! planted in the folder. Nothing may be overwritten, and nothing outside the folder may change.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use artifact_backend::{ArtifactId, ArtifactInventory, ByteRange, ErrorKind, Upload};
use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_backend_mem::{MemBackend, MemConfig};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::Runtime;

/// Few ids, so that operations collide.
const IDS: u8 = 6;
/// Limits the time of one input.
const MAX_OPERATIONS: usize = 48;

#[derive(Debug, Clone, Copy, Arbitrary)]
struct Name(u8);

impl Name {
    fn id(self) -> ArtifactId {
        ArtifactId::from_bytes([self.0 % IDS; 16])
    }
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Store {
        name: Name,
        size: u16,
        fill: u8,
    },
    Upload {
        name: Name,
        chunks: Vec<u16>,
        fill: u8,
        end: End,
    },
    /// Two uploads of one id, committed one after the other.
    UploadTwice {
        name: Name,
        size: u16,
        fill: u8,
    },
    Load(Name),
    Download {
        name: Name,
        range: ByteRange,
    },
    Stat(Name),
    Delete(Name),
    List,
    Sweep,
    Reopen,
    Plant {
        name: Name,
        kind: Planted,
    },
    PlantLeftover {
        fill: u8,
    },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum End {
    Commit,
    Abort,
    Drop,
}

/// A hostile file that is planted under the name of a blob.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Planted {
    SymlinkToSecret,
    SymlinkRelative,
    SymlinkDangling,
    HardLinkToSecret,
    Fifo,
    Folder,
    Device,
}

/// The model's state of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Blob(Bytes),
    /// Deleted. The contract does not say whether the id can be stored again, so the fuzz target does not try it.
    Gone,
    /// Something that is not a regular file has the blob's name. The backend must not read or overwrite it.
    Planted,
    /// A foreign regular file has the blob's name. The backend must not overwrite it. It may return the bytes
    /// of the file: only the digest in a catalog shows that they are foreign.
    Foreign,
}

fn content(size: u16, fill: u8) -> Bytes {
    (0..size)
        .map(|at| fill.wrapping_add(at.to_le_bytes()[0]))
        .collect()
}

/// Decodes `data` into operations and runs them on the map, on a folder with unnamed temporary files and
/// on a folder with named ones.
///
/// # Panics
///
/// If a result differs from the model, or anything outside the folder changes.
pub fn check(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let mut operations = Vec::new();
    while !source.is_empty() && operations.len() < MAX_OPERATIONS {
        match Operation::arbitrary(&mut source) {
            Ok(operation) => operations.push(operation),
            Err(_) => break,
        }
    }
    thread_local! {
        static RUNTIME: Runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
    }
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            Run::memory().run(&operations).await;
            for named in [false, true] {
                let world = World::new();
                Run::folder(&world, named).await.run(&operations).await;
                world.check_unchanged();
            }
        });
    });
}

/// A folder for the store, beside a folder that must not change.
struct World {
    folder: tempfile::TempDir,
}

const SECRET: &[u8] = b"what lies outside";

impl World {
    fn new() -> Self {
        // In memory if possible, because a sync of a real disk takes milliseconds.
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() {
            shared.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::Builder::new()
            .prefix("artifact-fuzz-")
            .tempdir_in(parent);
        let folder = folder.expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("outside")).expect("a folder can be made");
        let secret = folder.path().join("outside/secret");
        fs::write(&secret, SECRET).expect("a file can be written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o400))
            .expect("the test owns the path");
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("outside/secret")
    }

    fn check_unchanged(&self) {
        let names = |path: &Path| {
            let mut names: Vec<_> = fs::read_dir(path)
                .expect("the path still exists")
                .map(|entry| entry.expect("the entry can be read").file_name())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            names(self.folder.path()),
            ["outside", "root"],
            "a file was created outside the root"
        );
        assert_eq!(
            names(&self.folder.path().join("outside")),
            ["secret"],
            "a file was created outside the root"
        );
        assert_eq!(
            fs::read(self.secret()).expect("the path still exists"),
            SECRET,
            "the file outside the root was changed"
        );
    }
}

struct Run<'w> {
    backend: Box<dyn ArtifactInventory>,
    model: BTreeMap<ArtifactId, Known>,
    /// `None` for the map, in which nothing can be planted.
    folder: Option<(&'w World, FsConfig)>,
    leftovers: u32,
}

impl<'w> Run<'w> {
    fn memory() -> Self {
        let backend = Box::new(MemBackend::new(MemConfig::default()));
        Self {
            backend,
            model: BTreeMap::new(),
            folder: None,
            leftovers: 0,
        }
    }

    async fn folder(world: &'w World, named_staging: bool) -> Self {
        let config = FsConfig::default().with_named_staging(named_staging);
        let backend = FsBackend::open(world.root(), config.clone())
            .await
            .expect("a new root opens");
        Self {
            backend: Box::new(backend),
            model: BTreeMap::new(),
            folder: Some((world, config)),
            leftovers: 0,
        }
    }

    async fn run(mut self, operations: &[Operation]) {
        for operation in operations {
            self.apply(operation).await;
        }
        self.check_inventory().await;
    }

    async fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Store { name, size, fill } => {
                let bytes = content(*size, *fill);
                if self.model.get(&name.id()) != Some(&Known::Gone) {
                    let outcome = self.backend.store(name.id(), bytes.clone()).await;
                    self.check_publish(name.id(), bytes, outcome);
                }
            }
            Operation::Upload {
                name,
                chunks,
                fill,
                end,
            } => {
                self.upload(name.id(), chunks, *fill, *end).await;
            }
            Operation::UploadTwice { name, size, fill } => {
                self.twice(name.id(), *size, *fill).await;
            }
            Operation::Load(name) => self.load(name.id()).await,
            Operation::Download { name, range } => self.download(name.id(), *range).await,
            Operation::Stat(name) => {
                let stat = self.backend.stat(name.id()).await;
                match self.model.get(&name.id()) {
                    Some(Known::Blob(bytes)) => {
                        assert_eq!(stat.expect("a blob has a stat").size, bytes.len() as u64);
                    }
                    Some(Known::Planted) => {
                        assert!(stat.is_err(), "stat accepts a planted file as a blob");
                    }
                    Some(Known::Foreign) => {}
                    Some(Known::Gone) | None => {
                        let kind = stat.expect_err("an absent blob has no stat").kind();
                        assert_eq!(kind, ErrorKind::NotFound);
                    }
                }
            }
            Operation::Delete(name) => self.delete(name.id()).await,
            Operation::List => self.check_inventory().await,
            Operation::Sweep => {
                self.backend
                    .sweep(Duration::ZERO)
                    .await
                    .expect("a sweep succeeds");
            }
            Operation::Reopen => {
                if let Some((world, config)) = &self.folder {
                    let again = FsBackend::open(world.root(), config.clone()).await;
                    self.backend = Box::new(again.expect("the root opens again"));
                }
            }
            Operation::Plant { name, kind } => self.plant(name.id(), *kind),
            Operation::PlantLeftover { fill } => self.plant_leftover(*fill),
        }
    }

    /// Checks the outcome of a store or a commit and updates the model.
    fn check_publish(
        &mut self,
        id: ArtifactId,
        bytes: Bytes,
        outcome: artifact_backend::Result<()>,
    ) {
        match (self.model.get(&id), outcome) {
            (None, outcome) => {
                outcome.expect("a store under a free id succeeds");
                self.model.insert(id, Known::Blob(bytes));
            }
            (Some(Known::Blob(_)), outcome) => {
                let kind = outcome.expect_err("a blob was overwritten").kind();
                assert_eq!(kind, ErrorKind::AlreadyExists);
            }
            (Some(Known::Planted | Known::Foreign), outcome) => {
                outcome.expect_err("a planted file was overwritten");
            }
            (Some(Known::Gone), _) => unreachable!("the test does not store a deleted id again"),
        }
    }

    async fn begin(
        &self,
        id: ArtifactId,
        chunks: &[u16],
        fill: u8,
    ) -> Option<(Box<dyn Upload>, Bytes)> {
        let mut upload = match self.backend.upload(id).await {
            Ok(upload) => upload,
            Err(error) => {
                assert!(
                    self.model.contains_key(&id),
                    "an upload under a free id failed: {error}"
                );
                return None;
            }
        };
        let mut all = Vec::new();
        for size in chunks.iter().take(4) {
            let chunk = content(*size, fill);
            all.extend_from_slice(&chunk);
            upload.write(chunk).await.expect("a chunk is written");
        }
        Some((upload, all.into()))
    }

    async fn upload(&mut self, id: ArtifactId, chunks: &[u16], fill: u8, end: End) {
        if self.model.get(&id) == Some(&Known::Gone) {
            return;
        }
        let Some((upload, bytes)) = self.begin(id, chunks, fill).await else {
            return;
        };
        match end {
            End::Commit => {
                let outcome = upload.commit().await;
                self.check_publish(id, bytes, outcome);
            }
            End::Abort => upload.abort().await.expect("an upload can be aborted"),
            End::Drop => drop(upload),
        }
    }

    async fn twice(&mut self, id: ArtifactId, size: u16, fill: u8) {
        if self.model.contains_key(&id) {
            return;
        }
        let first = self.begin(id, &[size], fill).await.expect("the id is free");
        let second = self.begin(id, &[size, size], fill.wrapping_add(1)).await;
        let second = second.expect("no upload is published yet");
        let outcome = second.0.commit().await;
        self.check_publish(id, second.1, outcome);
        let outcome = first.0.commit().await;
        self.check_publish(id, first.1, outcome);
    }

    async fn load(&self, id: ArtifactId) {
        let loaded = self.backend.load(id).await;
        match self.model.get(&id) {
            Some(Known::Blob(bytes)) => {
                assert_eq!(
                    loaded.expect("a stored blob loads"),
                    bytes,
                    "the backend returned wrong bytes"
                );
            }
            Some(Known::Planted) => {
                loaded.expect_err("a planted file was read");
            }
            Some(Known::Foreign) => {
                if let Ok(bytes) = loaded {
                    assert_eq!(bytes, SECRET, "a load returned a part of a file");
                }
            }
            Some(Known::Gone) | None => {
                let kind = loaded.expect_err("an absent blob must not load").kind();
                assert_eq!(kind, ErrorKind::NotFound);
            }
        }
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) {
        let download = self.backend.download(id, range).await;
        match self.model.get(&id) {
            Some(Known::Blob(bytes)) => match range.resolve(bytes.len() as u64) {
                Ok(wanted) => {
                    let download = download.expect("a range inside a blob downloads");
                    assert_eq!(download.size(), bytes.len() as u64);
                    assert_eq!(download.range(), wanted);
                    let at = |position| usize::try_from(position).expect("blobs are small here");
                    let expected = bytes.slice(at(wanted.start)..at(wanted.end));
                    let got = download.into_bytes().await.expect("the stream is complete");
                    assert_eq!(got, expected, "the backend returned wrong bytes");
                }
                Err(refused) => {
                    let error = download.expect_err("a range outside a blob downloads");
                    assert_eq!(error.kind(), ErrorKind::InvalidRange);
                    assert_eq!(error.blob_size(), Some(refused.size));
                }
            },
            Some(Known::Planted) => {
                if let Ok(download) = download {
                    download
                        .into_bytes()
                        .await
                        .expect_err("a planted file was read");
                }
            }
            Some(Known::Foreign) => {}
            Some(Known::Gone) | None => {
                let kind = download
                    .expect_err("an absent blob must not download")
                    .kind();
                assert_eq!(kind, ErrorKind::NotFound);
            }
        }
    }

    async fn delete(&mut self, id: ArtifactId) {
        let deleted = self.backend.delete(id).await;
        match self.model.get(&id) {
            // Either outcome is allowed: the planted file may be kept or removed.
            Some(Known::Planted) => {}
            Some(Known::Foreign) => {
                if deleted.is_ok() {
                    self.model.insert(id, Known::Gone);
                }
            }
            Some(Known::Blob(_) | Known::Gone) => {
                deleted.expect("a delete succeeds, also a second time");
                self.model.insert(id, Known::Gone);
            }
            None => deleted.expect("a delete of an absent blob succeeds"),
        }
    }

    /// Checks that the list contains exactly the blobs of the model, and that each one loads. Only planted files
    /// may be listed as damaged.
    async fn check_inventory(&self) {
        let mut list = self.backend.list().await.expect("a list succeeds");
        let mut listed = Vec::new();
        while let Some(item) = list.next().await {
            match item.map_err(|error| error.damaged_blob()) {
                Ok(stat) => listed.push((stat.id, stat.size)),
                Err(id) => {
                    let id = id.expect("the list is complete");
                    let known = self.model.get(&id);
                    assert!(
                        matches!(known, Some(Known::Planted)),
                        "the list shows {id} as damaged"
                    );
                }
            }
        }
        listed
            .retain(|(id, _)| !matches!(self.model.get(id), Some(Known::Planted | Known::Foreign)));
        listed.sort_unstable();
        let blobs = self.model.iter().filter_map(|(id, known)| match known {
            Known::Blob(bytes) => Some((*id, bytes.len() as u64)),
            Known::Gone | Known::Planted | Known::Foreign => None,
        });
        assert_eq!(
            listed,
            blobs.collect::<Vec<_>>(),
            "the list differs from the model"
        );
        for id in self.model.keys() {
            self.load(*id).await;
        }
    }

    /// Plants a hostile file under a free id.
    fn plant(&mut self, id: ArtifactId, kind: Planted) {
        let Some((world, _)) = &self.folder else {
            return;
        };
        if self.model.contains_key(&id) {
            return;
        }
        let path = blob_path(&world.root(), id);
        fs::create_dir_all(path.parent().expect("a blob is in a folder"))
            .expect("the test owns the path");
        let mode = rustix::fs::Mode::from_raw_mode(0o400);
        match kind {
            Planted::SymlinkToSecret => {
                std::os::unix::fs::symlink(world.secret(), &path).expect("a symlink can be made");
            }
            Planted::SymlinkRelative => {
                let target = Path::new("../../../outside/secret");
                std::os::unix::fs::symlink(target, &path).expect("a symlink can be made");
            }
            Planted::SymlinkDangling => {
                let target = world.folder.path().join("outside/new");
                std::os::unix::fs::symlink(target, &path).expect("a symlink can be made");
            }
            Planted::HardLinkToSecret => {
                fs::hard_link(world.secret(), &path).expect("a link can be made");
            }
            Planted::Fifo => {
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0)
                    .expect("a FIFO can be made");
            }
            Planted::Folder => fs::create_dir(&path).expect("a folder can be made"),
            Planted::Device => {
                // /dev/zero: reading it as a file never ends. Creating it needs root.
                let (kind, zero) = (
                    rustix::fs::FileType::CharacterDevice,
                    rustix::fs::makedev(1, 5),
                );
                if rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, zero).is_err() {
                    return;
                }
            }
        }
        let known = match kind {
            Planted::HardLinkToSecret => Known::Foreign,
            _ => Known::Planted,
        };
        self.model.insert(id, known);
    }

    /// Plants a file that a crash could have left in the staging folder.
    fn plant_leftover(&mut self, fill: u8) {
        let Some((world, _)) = &self.folder else {
            return;
        };
        let staging = world.root().join("staging");
        if staging.is_dir() {
            self.leftovers += 1;
            let path = staging.join(format!("upload-{}", self.leftovers));
            fs::write(path, [fill; 100]).expect("the test owns the path");
        }
    }
}

/// Returns the path of a blob in layout version 2 of artifact-backend-fs.
fn blob_path(root: &Path, id: ArtifactId) -> PathBuf {
    let name = id.to_string();
    root.join("blobs").join(&name[..1]).join(name)
}
