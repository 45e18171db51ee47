//! A subject for power-cut simulators: stores, uploads and deletes blobs from several tasks at once, and
//! says on standard output what was promised. `artifact-crash-test` describes the lines.
//!
//!     crash_subject run ROOT

#![expect(clippy::print_stdout, reason = "the lines are the protocol")]

use std::io::Write;
use std::process::ExitCode;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind, Sha256Digest};
use artifact_backend_fs::{FsBackend, FsConfig};
use bytes::Bytes;
use sha2::{Digest, Sha256};

const TASKS: u8 = 4;
const BLOBS: u8 = 6;

/// One line, by one write: what simulators order among the operations of the file system.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A simulator that cut the power is not listening any more.
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

async fn keep(backend: &FsBackend, task: u8, blob: u8) -> Result<(), ErrorKind> {
    let mut id = [task; 16];
    id[15] = blob;
    let id = ArtifactId::from_bytes(id);
    let bytes = body(task, blob);
    let digest = Sha256Digest::from_bytes(Sha256::digest(&bytes).into());
    say(&format!("TRY {id} {digest}"));
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
    say(&format!("ACK {id} {digest}"));

    // The same id again: the refusal is a promise too.
    say(&format!("TRY {id} {digest}"));
    match backend.store(id, bytes).await.map_err(|error| error.kind()) {
        Err(ErrorKind::AlreadyExists) => say(&format!("EXISTS {id}")),
        Err(kind) => return Err(kind),
        Ok(()) => say(&format!("ACK {id} {digest}")),
    }
    if blob == 3 {
        say(&format!("DELETE {id}"));
        backend.delete(id).await.map_err(|error| error.kind())?;
        say(&format!("DELETED {id}"));
    }
    Ok(())
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (Some("run"), Some(root)) = (arguments.first().map(String::as_str), arguments.get(1))
    else {
        println!("usage: crash_subject run ROOT");
        return ExitCode::from(2);
    };
    let Ok(backend) = FsBackend::open(root, FsConfig::default()).await else {
        return ExitCode::FAILURE;
    };
    let tasks = (0..TASKS).map(|task| {
        let backend = backend.clone();
        tokio::spawn(async move {
            let mut failed = false;
            for blob in 0..BLOBS {
                failed |= keep(&backend, task, blob).await.is_err();
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
