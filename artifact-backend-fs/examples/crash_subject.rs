//! A subject for power-cut simulators. Several tasks store, upload and delete blobs, and the program prints
//! each promise of the backend to standard output. `artifact-crash-test` documents the line protocol.
//!
//!     crash_subject [--writers N] run ROOT
//!
//! With more writers than by default, each stores one small blob, so that their inodes share blocks while
//! they are synced. Up to 80 names fit into one block of the folder. ext4 without a journal can lose older
//! names when a write fails while the folder grows, whatever a store does.

#![expect(
    clippy::print_stdout,
    reason = "the line protocol uses standard output"
)]

use std::io::Write;
use std::process::ExitCode;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind, Sha256Digest};
use artifact_backend_fs::{FsBackend, FsConfig};
use bytes::Bytes;
use sha2::{Digest, Sha256};

const WRITERS: u8 = 4;
const BLOBS: u8 = 6;

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

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut writers = WRITERS;
    if arguments.first().is_some_and(|word| word == "--writers") && arguments.len() > 1 {
        writers = arguments[1].parse().unwrap_or(WRITERS);
        arguments.drain(..2);
    }
    let (Some("run"), Some(root)) = (arguments.first().map(String::as_str), arguments.get(1))
    else {
        println!("usage: crash_subject [--writers N] run ROOT");
        return ExitCode::from(2);
    };
    let Ok(backend) = FsBackend::open(root, FsConfig::default()).await else {
        return ExitCode::FAILURE;
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
    for task in tasks.collect::<Vec<_>>() {
        failed |= task.await.unwrap_or(true);
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
