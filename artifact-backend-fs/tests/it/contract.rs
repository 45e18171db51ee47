//! The twelve clauses, with unnamed and with named temporaries, on a disk and in memory.

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
enum Thing {
    SymlinkToFile,
    SymlinkRelative,
    SymlinkDangling,
    SymlinkToFolder,
    HardLink,
    Fifo,
    Folder,
    Socket,
    Device,
}

struct Planted {
    world: Arc<World>,
    thing: Thing,
}

#[async_trait]
impl Plant for Planted {
    fn name(&self) -> &str {
        match self.thing {
            Thing::SymlinkToFile => "a symlink to a file outside",
            Thing::SymlinkRelative => "a relative symlink to a file outside",
            Thing::SymlinkDangling => "a symlink to nothing, outside",
            Thing::SymlinkToFolder => "a symlink to a folder outside",
            Thing::HardLink => "a hard link to a file outside",
            Thing::Fifo => "a FIFO that nobody writes to",
            Thing::Folder => "a folder",
            Thing::Socket => "a socket",
            Thing::Device => "a device of endless zeroes",
        }
    }

    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError> {
        let (world, place) = (&self.world, self.world.blob(id));
        let node = |kind, device| rustix::fs::mknodat(CWD, &place, kind, Mode::RUSR, device);
        match self.thing {
            Thing::SymlinkToFile => std::os::unix::fs::symlink(world.secret(), place)?,
            Thing::SymlinkRelative => std::os::unix::fs::symlink("../../outside/secret", place)?,
            Thing::SymlinkDangling => {
                std::os::unix::fs::symlink(world.outside().join("new"), place)?;
            }
            Thing::SymlinkToFolder => std::os::unix::fs::symlink(world.outside(), place)?,
            Thing::HardLink => fs::hard_link(world.secret(), place)?,
            Thing::Fifo => node(FileType::Fifo, 0)?,
            Thing::Folder => fs::create_dir(place)?,
            Thing::Socket => node(FileType::Socket, 0)?,
            Thing::Device => node(FileType::CharacterDevice, rustix::fs::makedev(1, 5))?,
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
            let mut things = vec![
                Thing::SymlinkToFile,
                Thing::SymlinkRelative,
                Thing::SymlinkDangling,
                Thing::SymlinkToFolder,
                Thing::HardLink,
                Thing::Fifo,
                Thing::Folder,
                Thing::Socket,
            ];
            if is_root() {
                things.push(Thing::Device);
            }
            for thing in things {
                storage = storage.with_plant(Planted {
                    world: Arc::clone(&world),
                    thing,
                });
            }
            Ok(storage.with_guard(world))
        }
    })
}

/// What no folder can show: an outcome that the file system itself does not know. The fault tests
/// of this crate reach it.
const CANNOT: &str = "honest::";

async fn keeps_the_contract(parent: &Path, config: FsConfig) {
    let report = suite(parent.to_owned(), config).run().await;
    report.assert_passed();
    let skipped: Vec<_> = report.skipped().map(ToString::to_string).collect();
    assert!(
        skipped.iter().all(|line| line.contains(CANNOT)),
        "more was skipped than an unknown outcome: {skipped:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_unnamed_temporaries_keeps_the_contract() {
    keeps_the_contract(&std::env::temp_dir(), FsConfig::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_with_named_temporaries_keeps_the_contract() {
    let config = FsConfig::default().with_named_staging(true);
    keeps_the_contract(&std::env::temp_dir(), config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tmpfs_keeps_the_contract() {
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
async fn reads_that_always_hop_keep_the_contract() {
    let config = FsConfig::default()
        .with_inline_read_bytes(0)
        .with_max_concurrent_reads(1);
    keeps_the_contract(&std::env::temp_dir(), config).await;
}
