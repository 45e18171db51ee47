//! Target `backend_ops`: runs random operations on the memory backend and on a folder, and compares them with
//! a model. Hostile files are planted in the folder. No blob may be overwritten, and nothing outside the
//! folder may change.

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
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

/// The number of ids: few, so that operations use the same ids.
const IDS: u8 = 6;
/// The maximum number of operations, which limits the time of one input.
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
        file: Planted,
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

/// A hostile file that is planted at the path of a blob.
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
enum IdState {
    Blob(Bytes),
    /// The blob was deleted. The contract does not say whether the id may be stored again, so it is not.
    Gone,
    /// A hostile file lies at the blob's path. It must be neither read nor replaced.
    Planted,
}

fn content(size: u16, fill: u8) -> Bytes {
    (0..size)
        .map(|at| fill.wrapping_add(at.to_le_bytes()[0]))
        .collect()
}

/// Decodes operations from `data` and runs them on the memory backend, on a folder with unnamed temporary
/// files, and on a folder with named temporary files.
///
/// # Panics
///
/// If any of them differs from the model, or if anything outside the folder changes.
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
            Run::memory().run_all(&operations).await;
            for named in [false, true] {
                let sandbox = Sandbox::new();
                Run::folder(&sandbox, named)
                    .await
                    .run_all(&operations)
                    .await;
                sandbox.assert_untouched();
            }
        });
    });
}

/// A folder that holds the store's root and, next to it, a folder that must not change.
struct Sandbox {
    folder: tempfile::TempDir,
}

const SECRET: &[u8] = b"what lies outside";

impl Sandbox {
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
        let folder = folder.expect("a temporary folder can be created");
        fs::create_dir(folder.path().join("outside")).expect("a folder can be created");
        let secret = folder.path().join("outside/secret");
        fs::write(&secret, SECRET).expect("a file can be written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o400))
            .expect("the owner can set permissions");
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("outside/secret")
    }

    fn assert_untouched(&self) {
        let names = |path: &Path| {
            let mut names: Vec<_> = fs::read_dir(path)
                .expect("the folder still exists")
                .map(|entry| entry.expect("the entry can be read").file_name())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            names(self.folder.path()),
            ["outside", "root"],
            "an unexpected file lies next to the root"
        );
        assert_eq!(
            names(&self.folder.path().join("outside")),
            ["secret"],
            "an unexpected file lies in the outside folder"
        );
        assert_eq!(
            fs::read(self.secret()).expect("the file still exists"),
            SECRET,
            "the file outside the root was changed"
        );
    }
}

struct Run<'w> {
    backend: Box<dyn ArtifactInventory>,
    model: BTreeMap<ArtifactId, IdState>,
    /// The sandbox and the configuration of a folder; `None` for the memory backend.
    folder: Option<(&'w Sandbox, FsConfig)>,
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

    async fn folder(sandbox: &'w Sandbox, named_staging: bool) -> Self {
        let config = FsConfig::default().with_named_staging(named_staging);
        let backend = FsBackend::open(sandbox.root(), config.clone())
            .await
            .expect("a new root opens");
        Self {
            backend: Box::new(backend),
            model: BTreeMap::new(),
            folder: Some((sandbox, config)),
            leftovers: 0,
        }
    }

    async fn run_all(mut self, operations: &[Operation]) {
        for operation in operations {
            self.run_one(operation).await;
        }
        self.check_inventory().await;
    }

    async fn run_one(&mut self, operation: &Operation) {
        match operation {
            Operation::Store { name, size, fill } => {
                let bytes = content(*size, *fill);
                if self.model.get(&name.id()) != Some(&IdState::Gone) {
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
                self.upload_twice(name.id(), *size, *fill).await;
            }
            Operation::Load(name) => self.load(name.id()).await,
            Operation::Download { name, range } => self.download(name.id(), *range).await,
            Operation::Stat(name) => {
                let stat = self.backend.stat(name.id()).await;
                match self.model.get(&name.id()) {
                    Some(IdState::Blob(bytes)) => {
                        assert_eq!(stat.expect("a blob has a stat").size, bytes.len() as u64);
                    }
                    Some(IdState::Planted) => {
                        assert!(stat.is_err(), "stat accepted a planted file");
                    }
                    Some(IdState::Gone) | None => {
                        let kind = stat.expect_err("an absent blob has a stat").kind();
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
                    .expect("a sweep works");
            }
            Operation::Reopen => {
                if let Some((sandbox, config)) = &self.folder {
                    let reopened = FsBackend::open(sandbox.root(), config.clone()).await;
                    self.backend = Box::new(reopened.expect("the root opens again"));
                }
            }
            Operation::Plant { name, file } => self.plant(name.id(), *file),
            Operation::PlantLeftover { fill } => self.plant_leftover(*fill),
        }
    }

    /// Checks the outcome of a store or a commit, and updates the model.
    fn check_publish(
        &mut self,
        id: ArtifactId,
        bytes: Bytes,
        outcome: artifact_backend::Result<()>,
    ) {
        match (self.model.get(&id), outcome) {
            (None, outcome) => {
                outcome.expect("a store under a free id works");
                self.model.insert(id, IdState::Blob(bytes));
            }
            (Some(IdState::Blob(_)), outcome) => {
                let kind = outcome.expect_err("a blob was overwritten").kind();
                assert_eq!(kind, ErrorKind::AlreadyExists);
            }
            (Some(IdState::Planted), outcome) => {
                outcome.expect_err("a store replaced a planted file");
            }
            (Some(IdState::Gone), _) => unreachable!("a deleted id is not stored again"),
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
                    "an upload did not begin: {error}"
                );
                return None;
            }
        };
        let mut all = Vec::new();
        for size in chunks.iter().take(4) {
            let chunk = content(*size, fill);
            all.extend_from_slice(&chunk);
            upload
                .write(chunk)
                .await
                .expect("an upload accepts a chunk");
        }
        Some((upload, all.into()))
    }

    async fn upload(&mut self, id: ArtifactId, chunks: &[u16], fill: u8, end: End) {
        if self.model.get(&id) == Some(&IdState::Gone) {
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

    async fn upload_twice(&mut self, id: ArtifactId, size: u16, fill: u8) {
        if self.model.contains_key(&id) {
            return;
        }
        let first = self.begin(id, &[size], fill).await.expect("the id is free");
        let second = self.begin(id, &[size, size], fill.wrapping_add(1)).await;
        let second = second.expect("nothing is published yet");
        let outcome = second.0.commit().await;
        self.check_publish(id, second.1, outcome);
        let outcome = first.0.commit().await;
        self.check_publish(id, first.1, outcome);
    }

    async fn load(&self, id: ArtifactId) {
        let loaded = self.backend.load(id).await;
        match self.model.get(&id) {
            Some(IdState::Blob(bytes)) => {
                assert_eq!(
                    loaded.expect("a blob loads"),
                    bytes,
                    "the bytes differ from the stored bytes"
                );
            }
            Some(IdState::Planted) => {
                loaded.expect_err("a planted file was read");
            }
            Some(IdState::Gone) | None => {
                let kind = loaded.expect_err("an absent blob loads").kind();
                assert_eq!(kind, ErrorKind::NotFound);
            }
        }
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) {
        let download = self.backend.download(id, range).await;
        match self.model.get(&id) {
            Some(IdState::Blob(bytes)) => match range.resolve(bytes.len() as u64) {
                Ok(resolved) => {
                    let download = download.expect("a range inside a blob downloads");
                    assert_eq!(download.size(), bytes.len() as u64);
                    assert_eq!(download.range(), resolved);
                    let at = |position| usize::try_from(position).expect("blobs are small here");
                    let expected = bytes.slice(at(resolved.start)..at(resolved.end));
                    let downloaded = download.into_bytes().await.expect("the stream is whole");
                    assert_eq!(
                        downloaded, expected,
                        "the bytes differ from the stored bytes"
                    );
                }
                Err(unsatisfiable) => {
                    let error = download.expect_err("a range outside a blob downloads");
                    assert_eq!(error.kind(), ErrorKind::InvalidRange);
                    assert_eq!(error.blob_size(), Some(unsatisfiable.size));
                }
            },
            Some(IdState::Planted) => {
                if let Ok(download) = download {
                    download
                        .into_bytes()
                        .await
                        .expect_err("a planted file was read");
                }
            }
            Some(IdState::Gone) | None => {
                let kind = download.expect_err("an absent blob downloads").kind();
                assert_eq!(kind, ErrorKind::NotFound);
            }
        }
    }

    async fn delete(&mut self, id: ArtifactId) {
        let deleted = self.backend.delete(id).await;
        match self.model.get(&id) {
            // The planted file may be kept or removed. Either way the model does not use this id again.
            Some(IdState::Planted) => {}
            Some(IdState::Blob(_) | IdState::Gone) => {
                deleted.expect("a delete works, also a second time");
                self.model.insert(id, IdState::Gone);
            }
            None => deleted.expect("a delete of an absent blob works"),
        }
    }

    /// Checks that the inventory lists each blob of the model once, and that each blob loads.
    async fn check_inventory(&self) {
        let listed: Vec<_> = self
            .backend
            .list()
            .await
            .expect("a list works")
            .map_ok(|stat| (stat.id, stat.size))
            .try_collect()
            .await
            .expect("the list is whole");
        let mut listed: Vec<_> = listed
            .into_iter()
            .filter(|(id, _)| self.model.get(id) != Some(&IdState::Planted))
            .collect();
        listed.sort_unstable();
        let blobs = self.model.iter().filter_map(|(id, state)| match state {
            IdState::Blob(bytes) => Some((*id, bytes.len() as u64)),
            IdState::Gone | IdState::Planted => None,
        });
        assert_eq!(
            listed,
            blobs.collect::<Vec<_>>(),
            "the inventory differs from the model"
        );
        for id in self.model.keys() {
            self.load(*id).await;
        }
    }

    /// Plants a hostile file at the path of a free id.
    fn plant(&mut self, id: ArtifactId, file: Planted) {
        let Some((sandbox, _)) = &self.folder else {
            return;
        };
        if self.model.contains_key(&id) {
            return;
        }
        let path = blob_path(&sandbox.root(), id);
        fs::create_dir_all(path.parent().expect("a blob lies in a folder"))
            .expect("a folder can be created");
        let mode = rustix::fs::Mode::from_raw_mode(0o400);
        match file {
            Planted::SymlinkToSecret => {
                std::os::unix::fs::symlink(sandbox.secret(), &path)
                    .expect("a symlink can be created");
            }
            Planted::SymlinkRelative => {
                let target = Path::new("../../outside/secret");
                std::os::unix::fs::symlink(target, &path).expect("a symlink can be created");
            }
            Planted::SymlinkDangling => {
                let target = sandbox.folder.path().join("outside/new");
                std::os::unix::fs::symlink(target, &path).expect("a symlink can be created");
            }
            Planted::HardLinkToSecret => {
                fs::hard_link(sandbox.secret(), &path).expect("a link can be created");
            }
            Planted::Fifo => {
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0)
                    .expect("a FIFO can be created");
            }
            Planted::Folder => fs::create_dir(&path).expect("a folder can be created"),
            Planted::Device => {
                // /dev/zero: a reader that treats it as a file never finishes. Creating it needs root.
                let (kind, zero) = (
                    rustix::fs::FileType::CharacterDevice,
                    rustix::fs::makedev(1, 5),
                );
                if rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, zero).is_err() {
                    return;
                }
            }
        }
        self.model.insert(id, IdState::Planted);
    }

    /// Plants a file that a crash could have left among the temporary files.
    fn plant_leftover(&mut self, fill: u8) {
        let Some((sandbox, _)) = &self.folder else {
            return;
        };
        let staging = sandbox.root().join("staging");
        if staging.is_dir() {
            self.leftovers += 1;
            let path = staging.join(format!("upload-{}", self.leftovers));
            fs::write(path, [fill; 100]).expect("a file can be written");
        }
    }
}

/// Returns the path of a blob in layout version 1 of artifact-backend-fs.
fn blob_path(root: &Path, id: ArtifactId) -> PathBuf {
    root.join("blobs").join(id.to_string())
}
