//! A subject for power-cut simulators. Several tasks store, upload and delete blobs, and the program prints
//! each promise of the backend to standard output. `artifact-crash-test` documents the line protocol.
//!
//!     crash_subject [--writers N] [--migrate | --portable] run ROOT
//!     crash_subject [--writers N] [--migrate | --portable] check ROOT
//!
//! With more writers than by default, each stores one small blob, so that their inodes share blocks while
//! they are synced. Up to 80 names fit into one block of a folder. ext4 without a journal can lose older
//! names when a write fails while the folder grows, whatever a store does.
//!
//! With `--portable` the backend uses the portable profile.
//!
//! With `--migrate` the root first has layout version 1 and contains blobs, and the tasks work while these move.

#![expect(
    clippy::print_stdout,
    reason = "the line protocol uses standard output"
)]

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind, Sha256Digest};
use artifact_backend_fs::{FsBackend, FsConfig, FsProfile};
use bytes::Bytes;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

const WRITERS: u8 = 4;
const BLOBS: u8 = 6;
/// The number of blobs of layout version 1.
const FLAT: u8 = 12;

/// Prints a line with a single write, which simulators put in order with the file system operations.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    // After a power cut the simulator no longer reads.
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

fn body(task: u8, blob: u8) -> Bytes {
    let size = [0, 10, 5_000, 70_000, 300_000, 4_096][usize::from(blob) % 6];
    (0..size)
        .map(|at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1] ^ task ^ (blob << 4))
        .collect()
}

async fn store_and_report(backend: &FsBackend, task: u8, blob: u8) -> Result<(), ErrorKind> {
    let mut id = [task; 16];
    id[15] = blob;
    let id = ArtifactId::from_bytes(id);
    let bytes = body(task, blob);
    let digest = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
    print_line(&format!("TRY {id} {digest}"));
    let stored = if blob.is_multiple_of(2) {
        backend.store(id, bytes.clone()).await
    } else {
        let mut upload = backend.upload(id).await.map_err(|error| error.kind())?;
        for piece in bytes.chunks(60_000) {
            let piece = bytes.slice_ref(piece);
            upload.write(piece).await.map_err(|error| error.kind())?;
        }
        upload.commit().await
    };
    stored.map_err(|error| error.kind())?;
    print_line(&format!("ACK {id} {digest}"));

    // The same id again: `AlreadyExists` is a promise too.
    print_line(&format!("TRY {id} {digest}"));
    match backend.store(id, bytes).await.map_err(|error| error.kind()) {
        Err(ErrorKind::AlreadyExists) => print_line(&format!("EXISTS {id}")),
        Err(kind) => return Err(kind),
        Ok(()) => print_line(&format!("ACK {id} {digest}")),
    }
    if blob == 3 {
        print_line(&format!("DELETE {id}"));
        backend.delete(id).await.map_err(|error| error.kind())?;
        print_line(&format!("DELETED {id}"));
    }
    Ok(())
}

/// Returns the id of a blob of layout version 1.
fn flat_id(number: u8) -> ArtifactId {
    let mut id = [0xf0 | (number % 4); 16];
    id[15] = number;
    ArtifactId::from_bytes(id)
}

/// Creates a root of layout version 1 durably, as an earlier release did.
fn create_flat_root(root: &Path) -> std::io::Result<()> {
    let sync = |folder: &Path| {
        let folder = std::fs::OpenOptions::new().read(true).open(folder)?;
        folder.sync_all()
    };
    let blobs = root.join("blobs");
    for folder in [&blobs, &root.join("staging")] {
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
        sync(folder)?;
    }
    let create = |path: &Path, bytes: &[u8]| {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    let temporary = root.join("staging/upload-marker");
    create(&temporary, b"artifact-backend-fs 1\n")?;
    std::fs::hard_link(&temporary, root.join("artifact-format"))?;
    sync(root)?;
    for number in 0..FLAT {
        let (id, bytes) = (flat_id(number), body(FLAT, number));
        let digest = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
        print_line(&format!("TRY {id} {digest}"));
        let temporary = root.join(format!("staging/upload-{number}"));
        create(&temporary, &bytes)?;
        std::fs::hard_link(&temporary, blobs.join(id.to_string()))?;
        rustix::fs::unlink(&temporary)?;
        sync(&root.join("staging"))?;
        sync(&blobs)?;
        print_line(&format!("ACK {id} {digest}"));
    }
    Ok(())
}

/// Loads and deletes blobs of layout version 1 while they move.
async fn use_flat_blobs(backend: &FsBackend) -> Result<(), ErrorKind> {
    for number in 0..FLAT {
        let id = flat_id(number);
        let bytes = backend.load(id).await.map_err(|error| error.kind())?;
        let digest = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
        print_line(&format!("GOT {id} {digest}"));
        if number % 5 == 1 {
            print_line(&format!("DELETE {id}"));
            backend.delete(id).await.map_err(|error| error.kind())?;
            print_line(&format!("DELETED {id}"));
        }
    }
    Ok(())
}

fn config(portable: bool) -> FsConfig {
    let profile = if portable {
        FsProfile::Portable
    } else {
        FsProfile::Native
    };
    FsConfig::default()
        .with_profile(profile)
        .with_background_migration(false)
}

/// Opens the root after a crash as a new process would, ends the migration, and prints every blob.
async fn check(root: &str, portable: bool) -> Result<(), artifact_backend::Error> {
    let backend = FsBackend::open(root, config(portable)).await?;
    for migrated in [false, true] {
        if migrated {
            backend.migrate().await?;
        }
        let mut list = backend.list().await?;
        while let Some(blob) = list.next().await {
            let id = match blob {
                Ok(blob) => blob.id,
                Err(error) if error.damaged_blob().is_some() => {
                    print_line(&format!("BAD migrated {migrated}: {error}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            match backend.load(id).await {
                Ok(bytes) => {
                    let digest = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
                    print_line(&format!("HAVE {id} {digest}"));
                }
                Err(error) => print_line(&format!("BAD {id} migrated {migrated}: {error}")),
            }
        }
    }
    for entry in std::fs::read_dir(Path::new(root).join("blobs"))
        .into_iter()
        .flatten()
    {
        let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
        if name.len() != 2 {
            print_line(&format!(
                "STRAY blobs/{} after the migration",
                name.display()
            ));
        }
    }
    Ok(())
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut writers = WRITERS;
    if arguments.first().is_some_and(|word| word == "--writers") && arguments.len() > 1 {
        writers = arguments[1].parse().unwrap_or(WRITERS);
        arguments.drain(..2);
    }
    let migrate = arguments.first().is_some_and(|word| word == "--migrate");
    let portable = arguments.first().is_some_and(|word| word == "--portable");
    if migrate || portable {
        arguments.remove(0);
    }
    let (verb, root) = match &arguments[..] {
        [verb, root] if verb == "run" || verb == "check" => (verb.as_str(), root),
        _ => {
            println!("usage: crash_subject [--writers N] [--migrate | --portable] run|check ROOT");
            return ExitCode::from(2);
        }
    };
    if verb == "check" {
        return match check(root, portable).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                print_line(&format!("FAILED {error}"));
                ExitCode::FAILURE
            }
        };
    }
    if migrate && create_flat_root(Path::new(root)).is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(backend) = FsBackend::open(root, config(portable)).await else {
        return ExitCode::FAILURE;
    };
    let moving = {
        let backend = backend.clone();
        tokio::spawn(async move { backend.migrate().await.is_err() })
    };
    let using = {
        let backend = backend.clone();
        tokio::spawn(async move { migrate && use_flat_blobs(&backend).await.is_err() })
    };
    let blobs = if writers > WRITERS { 1 } else { BLOBS };
    let tasks = (0..writers).map(|task| {
        let backend = backend.clone();
        tokio::spawn(async move {
            let mut failed = false;
            for blob in 0..blobs {
                failed |= store_and_report(&backend, task, blob).await.is_err();
            }
            failed
        })
    });
    let mut failed = false;
    for task in [moving, using].into_iter().chain(tasks.collect::<Vec<_>>()) {
        failed |= task.await.unwrap_or(true);
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
