//! The conformance suite with unnamed and named temporary files, on a disk and on a tmpfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_backend::{ArtifactId, BoxError};
use artifact_backend_conformance::{Plant, Storage, Suite};
use artifact_backend_fs::{FsBackend, FsConfig};
use async_trait::async_trait;
use rustix::fs::{CWD, FileType, Mode};

use crate::world::{World, is_root, names, skip};

#[derive(Debug, Clone, Copy)]
enum PlantedKind {
    SymlinkToFile,
    SymlinkRelative,
    SymlinkDangling,
    SymlinkToFolder,
    Fifo,
    Folder,
    Socket,
    Device,
}

struct Planted {
    world: Arc<World>,
    kind: PlantedKind,
}

#[async_trait]
impl Plant for Planted {
    fn name(&self) -> &str {
        match self.kind {
            PlantedKind::SymlinkToFile => "a symlink to a file outside",
            PlantedKind::SymlinkRelative => "a relative symlink to a file outside",
            PlantedKind::SymlinkDangling => "a symlink to nothing, outside",
            PlantedKind::SymlinkToFolder => "a symlink to a folder outside",
            PlantedKind::Fifo => "a FIFO without a writer",
            PlantedKind::Folder => "a folder",
            PlantedKind::Socket => "a socket",
            PlantedKind::Device => "a device of endless zeroes",
        }
    }

    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError> {
        let (world, path) = (&self.world, self.world.blob(id));
        let node = |kind, device| rustix::fs::mknodat(CWD, &path, kind, Mode::RUSR, device);
        match self.kind {
            PlantedKind::SymlinkToFile => std::os::unix::fs::symlink(world.secret(), path)?,
            PlantedKind::SymlinkRelative => {
                std::os::unix::fs::symlink("../../outside/secret", path)?;
            }
            PlantedKind::SymlinkDangling => {
                std::os::unix::fs::symlink(world.outside().join("new"), path)?;
            }
            PlantedKind::SymlinkToFolder => std::os::unix::fs::symlink(world.outside(), path)?,
            PlantedKind::Fifo => node(FileType::Fifo, 0)?,
            PlantedKind::Folder => fs::create_dir(path)?,
            PlantedKind::Socket => node(FileType::Socket, 0)?,
            PlantedKind::Device => node(FileType::CharacterDevice, rustix::fs::makedev(1, 5))?,
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), BoxError> {
        self.world
            .damage()
            .map_or(Ok(()), |damage| Err(damage.into()))
    }
}

fn suite(parent: PathBuf, config: FsConfig) -> Suite {
    Suite::new(move || {
        let (parent, config) = (parent.clone(), config.clone());
        async move {
            let world = Arc::new(World::within(&parent));
            let root = world.root();
            let open = move || FsBackend::open(root.clone(), config.clone());
            let storage = Storage::new(open().await?);
            let (lost, counted) = (world.root(), world.staging());
            let mut storage = storage
                .with_reopen(move || {
                    let opening = open();
                    async move { Ok(opening.await?) }
                })
                .with_loss(move || {
                    let lost = lost.clone();
                    async move { Ok(fs::remove_dir_all(lost)?) }
                })
                .with_leftover_count(move || {
                    let count = names(&counted).len() as u64;
                    async move { Ok(count) }
                });
            let mut kinds = vec![
                PlantedKind::SymlinkToFile,
                PlantedKind::SymlinkRelative,
                PlantedKind::SymlinkDangling,
                PlantedKind::SymlinkToFolder,
                PlantedKind::Fifo,
                PlantedKind::Folder,
                PlantedKind::Socket,
            ];
            if is_root() {
                kinds.push(PlantedKind::Device);
            }
            for kind in kinds {
                storage = storage.with_plant(Planted {
                    world: Arc::clone(&world),
                    kind,
                });
            }
            Ok(storage.with_guard(world))
        }
    })
}

/// The clause about unknown outcomes. The suite cannot cause one on a local file system, so the fault tests of
/// this crate cover the clause.
const UNTESTABLE: &str = "honest::";

pub(crate) async fn keeps_the_contract(parent: &Path, config: FsConfig) {
    let report = suite(parent.to_owned(), config).run().await;
    report.assert_passed();
    let skipped: Vec<_> = report.skipped().map(ToString::to_string).collect();
    assert!(
        skipped.iter().all(|line| line.contains(UNTESTABLE)),
        "only cases with an unknown outcome may be skipped: {skipped:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_unnamed_temporary_files_passes_the_conformance_suite() {
    keeps_the_contract(&std::env::temp_dir(), FsConfig::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_named_temporary_files_passes_the_conformance_suite() {
    let config = FsConfig::default().with_named_staging(true);
    keeps_the_contract(&std::env::temp_dir(), config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tmpfs_passes_the_conformance_suite() {
    let shared = Path::new("/dev/shm");
    if skip(
        shared.is_dir(),
        "a store on tmpfs",
        "mount a tmpfs at /dev/shm",
    ) {
        return;
    }
    keeps_the_contract(shared, FsConfig::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocking_reads_keep_the_contract() {
    let config = FsConfig::default()
        .with_inline_read_bytes(0)
        .with_max_concurrent_reads(1);
    keeps_the_contract(&std::env::temp_dir(), config).await;
}
