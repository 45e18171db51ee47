//! Another process changes the folder in the middle of an operation. Each change is tried at each system
//! call of each operation. The backend must not write or read outside the root, acknowledge or return
//! foreign bytes, hang or panic.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use artifact_backend::Sha256Digest;
use artifact_crash_test::syscalls::{self, Call, TracedRun};
use artifact_crash_test::{Digest, Line, RunOutcome};
use sha2::Digest as _;

use crate::syscalls::{is_wanted, subject};
use crate::world::{SECRET, World, in_memory, names, skip};

/// The two ids of the subject: one stored before the operation, one stored by it.
const OLD: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const NEW: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

/// A change made by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    /// Moves the root and replaces it by a symlink to a folder outside.
    RootToSymlink,
    /// Moves the root and replaces it by the root of another store.
    RootToStranger,
    /// Moves the root.
    RootAway,
    /// Moves the folder of blobs and replaces it by a symlink to a folder outside.
    BlobsToSymlink,
    /// Moves the folder of blobs and replaces it by a folder with foreign files of valid names.
    BlobsToStranger,
    /// Removes the folder of blobs and its content.
    BlobsRemoved,
    /// Moves the fan-out folder of the blobs and replaces it by a symlink to a folder outside.
    FanOutToSymlink,
    /// Moves the fan-out folder of the blobs and replaces it by a symlink to another one.
    FanOutToOther,
    /// Moves the fan-out folder of the blobs and replaces it by a file.
    FanOutToFile,
    /// Moves the fan-out folder of the blobs and replaces it by an empty folder.
    FanOutToEmpty,
    /// Removes the fan-out folder of the blobs and its content.
    FanOutRemoved,
    /// Moves the staging folder and replaces it by a symlink to a folder outside.
    StagingToSymlink,
    /// Replaces each temporary file by a foreign file.
    StagedToForeign,
    /// Replaces each temporary file by a symlink to a file outside.
    StagedToSymlink,
    /// Replaces each temporary file by a hard link to a file outside.
    StagedToHardLink,
    /// Removes each temporary file.
    StagedRemoved,
    /// Replaces each blob by a foreign file.
    LeafToForeign,
    /// Replaces each blob by a symlink to a file outside.
    LeafToSymlink,
    /// Replaces each blob by a dangling symlink.
    LeafToDangling,
    /// Replaces each blob by a hard link to a file outside.
    LeafToHardLink,
    /// Replaces each blob by a FIFO.
    LeafToFifo,
    /// Replaces each blob by a folder.
    LeafToFolder,
    /// Removes each blob.
    LeafRemoved,
    /// Truncates each blob in place.
    LeafShrunk,
    /// Extends each blob in place.
    LeafGrown,
}

const ATTACKS: [Attack; 25] = [
    Attack::RootToSymlink,
    Attack::RootToStranger,
    Attack::RootAway,
    Attack::BlobsToSymlink,
    Attack::BlobsToStranger,
    Attack::BlobsRemoved,
    Attack::FanOutToSymlink,
    Attack::FanOutToOther,
    Attack::FanOutToFile,
    Attack::FanOutToEmpty,
    Attack::FanOutRemoved,
    Attack::StagingToSymlink,
    Attack::StagedToForeign,
    Attack::StagedToSymlink,
    Attack::StagedToHardLink,
    Attack::StagedRemoved,
    Attack::LeafToForeign,
    Attack::LeafToSymlink,
    Attack::LeafToDangling,
    Attack::LeafToHardLink,
    Attack::LeafToFifo,
    Attack::LeafToFolder,
    Attack::LeafRemoved,
    Attack::LeafShrunk,
    Attack::LeafGrown,
];

const FOREIGN: &[u8] = b"foreign bytes";

impl Attack {
    /// Returns whether an acknowledged blob may be gone after the attack.
    fn removes(self) -> bool {
        matches!(
            self,
            Self::BlobsRemoved
                | Self::FanOutRemoved
                | Self::LeafToForeign
                | Self::LeafToSymlink
                | Self::LeafToDangling
                | Self::LeafToHardLink
                | Self::LeafToFifo
                | Self::LeafToFolder
                | Self::LeafRemoved
                | Self::LeafShrunk
                | Self::LeafGrown
        )
    }

    fn strike(self, world: &World) {
        let (root, away) = (world.root(), world.root().with_file_name("away"));
        let (blobs, staging) = (root.join("blobs"), root.join("staging"));
        let outside = world.outside();
        match self {
            Self::RootToSymlink => {
                fs::rename(&root, &away).unwrap();
                symlink(&outside, &root).unwrap();
            }
            Self::RootToStranger => {
                fs::rename(&root, &away).unwrap();
                fs::create_dir(&root).unwrap();
                foreign_blobs(&root.join("blobs"));
            }
            Self::RootAway => fs::rename(&root, &away).unwrap(),
            Self::BlobsToSymlink => {
                fs::rename(&blobs, &away).unwrap();
                symlink(&outside, &blobs).unwrap();
            }
            Self::BlobsToStranger => {
                fs::rename(&blobs, &away).unwrap();
                foreign_blobs(&blobs);
            }
            Self::BlobsRemoved => fs::remove_dir_all(&blobs).unwrap(),
            Self::FanOutToSymlink
            | Self::FanOutToOther
            | Self::FanOutToFile
            | Self::FanOutToEmpty
            | Self::FanOutRemoved => {
                // Both blobs are in this folder.
                let folder = blobs.join(&OLD[..1]);
                fs::rename(&folder, &away).unwrap();
                match self {
                    Self::FanOutToSymlink => symlink(&outside, &folder).unwrap(),
                    Self::FanOutToOther => symlink("1", &folder).unwrap(),
                    Self::FanOutToFile => foreign(&folder),
                    Self::FanOutToEmpty => fs::create_dir(&folder).unwrap(),
                    _ => fs::remove_dir_all(away).unwrap(),
                }
            }
            Self::StagingToSymlink => {
                fs::rename(&staging, &away).unwrap();
                symlink(&outside, &staging).unwrap();
            }
            Self::StagedToForeign
            | Self::StagedToSymlink
            | Self::StagedToHardLink
            | Self::StagedRemoved => {
                for name in names(&staging) {
                    self.exchange(world, &staging.join(name));
                }
            }
            _ => {
                for id in [OLD, NEW] {
                    self.exchange(world, &blobs.join(&id[..1]).join(id));
                }
            }
        }
    }

    fn exchange(self, world: &World, path: &Path) {
        let there = fs::symlink_metadata(path).is_ok();
        if matches!(self, Self::LeafShrunk | Self::LeafGrown) {
            if there {
                fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                let length = file.metadata().unwrap().len();
                let shrunk = self == Self::LeafShrunk;
                file.set_len(if shrunk { length / 2 } else { length + 1 })
                    .unwrap();
                fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap();
            }
            return;
        }
        if there {
            fs::remove_file(path).unwrap();
        }
        match self {
            Self::StagedToForeign | Self::LeafToForeign => foreign(path),
            Self::StagedToSymlink | Self::LeafToSymlink => symlink(world.secret(), path).unwrap(),
            Self::LeafToDangling => symlink("nowhere", path).unwrap(),
            Self::StagedToHardLink | Self::LeafToHardLink => {
                fs::hard_link(world.secret(), path).unwrap();
            }
            Self::LeafToFifo => {
                let mode = rustix::fs::Mode::from_raw_mode(0o400);
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
                    .unwrap();
            }
            Self::LeafToFolder => fs::create_dir(path).unwrap(),
            _ => {}
        }
    }
}

/// Writes a foreign file.
fn foreign(path: &Path) {
    fs::write(path, FOREIGN).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Creates a folder of foreign files with the names of blobs.
fn foreign_blobs(folder: &Path) {
    for id in [OLD, NEW] {
        let path = folder.join(&id[..1]).join(id);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        foreign(&path);
        fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap();
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Sha256Digest::from_bytes(sha2::Sha256::digest(bytes).into())
        .to_string()
        .parse()
        .unwrap()
}

/// Returns every violation in a run.
fn violations(world: &World, attack: Attack, run: &TracedRun) -> Vec<String> {
    let mut violations = Vec::new();
    match &run.outcome {
        RunOutcome::Success => {}
        RunOutcome::Failure(how) if how.starts_with("Exited(") && !how.contains(", 101)") => {}
        other => violations.push(format!("the subject ended with {other:?}")),
    }
    let outside = names(&world.outside());
    if outside != ["secret"] || fs::read(world.secret()).unwrap() != SECRET {
        violations.push(format!("files outside were changed: {outside:?}"));
    }
    let mode = fs::metadata(world.secret()).unwrap().permissions().mode();
    if mode & 0o7777 != 0o400 {
        violations.push(format!("the mode of the file outside is {mode:o}"));
    }
    let forbidden = [digest(FOREIGN), digest(SECRET)];
    let mut tried = Vec::new();
    let deletes = run.lines.iter().any(|line| matches!(line, Line::Delete(_)));
    for line in &run.lines {
        match line {
            Line::Try(id, digest) => tried.push((id.clone(), *digest)),
            Line::Got(id, digest) if !tried.contains(&(id.clone(), *digest)) => {
                // The owner changed the blob, or put another file under its name, before it was opened.
                // This layer cannot detect that; the digest in the catalog can. The subject must have
                // read the whole file.
                let by_the_owner = matches!(
                    attack,
                    Attack::LeafShrunk
                        | Attack::LeafGrown
                        | Attack::LeafToForeign
                        | Attack::LeafToHardLink
                );
                let path = world.root().join("blobs").join(&id[..1]).join(id);
                if by_the_owner && is(&path, *digest) {
                    continue;
                }
                let foreign = forbidden.contains(digest);
                violations.push(format!("{id} was read as other bytes, foreign: {foreign}"));
            }
            Line::Ack(id, digest) if !attack.removes() && !deletes => {
                // Both ids begin with 0.
                let folders = ["root/blobs/0", "away/blobs/0", "away/0", "away"];
                let parent = world.root().parent().unwrap().to_owned();
                let paths = folders.map(|folder| parent.join(folder).join(id));
                // The folder that the store has open, wherever it is now.
                if !paths.iter().any(|path| is(path, *digest)) {
                    violations.push(format!("{id} was acknowledged and is nowhere"));
                }
            }
            _ => {}
        }
    }
    violations
}

fn is(path: &Path, wanted: Digest) -> bool {
    let regular = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    regular && digest(&fs::read(path).unwrap()) == wanted
}

/// Runs the operation with an attack at one call, or without an attack.
fn run(named: bool, operation: &str, struck: Option<(&Call, Attack)>) -> (World, TracedRun) {
    let world = World::within(&in_memory());
    let subject = subject(named, operation);
    let mut pending = struck;
    let traced = syscalls::trace(&subject, &world.root(), |now| {
        if let Some((call, attack)) = pending
            && call.index == now.index
        {
            attack.strike(&world);
            pending = None;
        }
        None
    });
    (world, traced.unwrap())
}

#[expect(clippy::print_stdout, reason = "the counts are shown with --nocapture")]
fn withstands(named: bool, operation: &str) {
    let available = syscalls::available();
    let remedy = "allow ptrace(2), for example outside a container";
    if skip(available.is_ok(), "attacks during system calls", remedy) {
        return;
    }
    let (_, plain) = run(named, operation, None);
    assert_eq!(plain.outcome, RunOutcome::Success, "{operation}");
    let mut attacks = 0;
    for call in plain.calls.iter().filter(|call| is_wanted(call)) {
        for attack in ATTACKS {
            let (world, traced) = run(named, operation, Some((call, attack)));
            let violations = violations(&world, attack, &traced);
            assert!(
                violations.is_empty(),
                "{operation}, named {named}, {attack:?} at {call}: {violations:?}"
            );
            attacks += 1;
        }
    }
    println!("{operation}, named {named}: {attacks} attacks");
}

#[test]
fn a_store_withstands_attacks_at_every_system_call() {
    withstands(false, "store");
    withstands(true, "store");
}

#[test]
fn a_store_of_a_taken_id_withstands_attacks_at_every_system_call() {
    withstands(false, "store-again");
}

#[test]
fn an_upload_withstands_attacks_at_every_system_call() {
    withstands(true, "upload");
}

#[test]
fn a_load_withstands_attacks_at_every_system_call() {
    withstands(false, "load");
    withstands(false, "load-waits");
    withstands(false, "download");
}

#[test]
fn maintenance_withstands_attacks_at_every_system_call() {
    withstands(false, "stat");
    withstands(false, "list");
    withstands(false, "delete");
    withstands(true, "sweep");
}
