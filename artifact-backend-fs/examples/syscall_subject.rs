//! A subject for faults at system calls: runs one operation between the lines BEGIN and END on a store that
//! already contains one blob. `artifact-crash-test` documents the line protocol.
//!
//!     syscall_subject [--named | --portable] OPERATION run ROOT
//!     syscall_subject [--named | --portable] OPERATION check ROOT

#![expect(
    clippy::print_stdout,
    reason = "the line protocol uses standard output"
)]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Error, ErrorKind, Result,
    Sha256Digest,
};
use artifact_backend_fs::{FsBackend, FsConfig, FsProfile};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use rustix::process::{Signal, getpid, kill_process};
use sha2::{Digest, Sha256};

/// Stored before the operation begins.
const OLD: ArtifactId = ArtifactId::from_bytes([0x0a; 16]);
/// Stored by the operation.
const NEW: ArtifactId = ArtifactId::from_bytes([0x0b; 16]);

/// Stored by an operation that stores two blobs.
const OTHER: ArtifactId = ArtifactId::from_bytes([0x0c; 16]);

/// Prints a line with a single write.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    // A failure means that the reader is gone, which does not matter here.
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// Begins the operation: prints BEGIN and tells the tracer, which ignores what was before.
fn begin() {
    print_line("BEGIN");
    let _ = kill_process(getpid(), Signal::URG);
}

/// Returns pages that each end with their number, so that no page can replace another.
fn body(size: usize, seed: u8) -> Bytes {
    let page: Vec<u8> = (0..4_096_usize)
        .map(|at| at.to_le_bytes()[0] ^ seed)
        .collect();
    let mut bytes = Vec::with_capacity(size + page.len());
    while bytes.len() < size {
        let number = bytes.len() / page.len();
        bytes.extend_from_slice(&page);
        let at = bytes.len() - 8;
        bytes[at..].copy_from_slice(&number.to_be_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

fn old() -> Bytes {
    body(6_000, 1)
}

fn new(operation: &str) -> Bytes {
    // More than two write-back steps, so that space is reserved and freed.
    let large = operation.starts_with("upload");
    body(if large { 2_300_000 } else { 5_000 }, 2)
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Prints the result of a store.
fn report_store(id: ArtifactId, bytes: &[u8], outcome: Result<()>) -> Result<()> {
    match outcome {
        Ok(()) => print_line(&format!("ACK {id} {}", digest(bytes))),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            print_line(&format!("EXISTS {id}"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Prints the result of a load.
fn report_load(id: ArtifactId, outcome: Result<Bytes>) -> Result<()> {
    match outcome {
        Ok(bytes) => print_line(&format!("GOT {id} {}", digest(&bytes))),
        Err(error) if error.kind() == ErrorKind::NotFound => print_line(&format!("ABSENT {id}")),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// How the backend uses the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Unnamed,
    Named,
    Portable,
}

fn config(way: Way, inline: bool) -> FsConfig {
    // The background would migrate at an unknown time.
    let profile = if way == Way::Portable {
        FsProfile::Portable
    } else {
        FsProfile::Native
    };
    let config = FsConfig::default()
        .with_profile(profile)
        .with_named_staging(way == Way::Named)
        .with_background_migration(false)
        // All steps, on every file system.
        .with_link_count_sync(true);
    if inline {
        config
    } else {
        config.with_inline_read_bytes(0)
    }
}

async fn upload(backend: &FsBackend, bytes: &Bytes, ending: &str) -> Result<()> {
    let mut upload = backend.upload(NEW).await?;
    // More than is written, so that reserved space must be freed.
    upload.expect_size(bytes.len() as u64 + 100_000);
    for piece in bytes.chunks(700_000) {
        upload.write(bytes.slice_ref(piece)).await?;
    }
    match ending {
        "upload" => report_store(NEW, bytes, upload.commit().await),
        "upload-abort" => upload.abort().await,
        _ => {
            // Outside the runtime, which would do the work at an unknown later time.
            let dropped = std::thread::spawn(move || drop(upload)).join();
            dropped
                .map_err(|_| Error::new(ErrorKind::Unexpected, artifact_backend::Operation::Abort))
        }
    }
}

async fn act(backend: &FsBackend, operation: &str) -> Result<()> {
    let bytes = new(operation);
    match operation {
        "store" | "migrate-store" => {
            report_store(NEW, &bytes, backend.store(NEW, bytes.clone()).await)
        }
        "store-twice" => {
            let first = report_store(NEW, &bytes, backend.store(NEW, bytes.clone()).await);
            report_load(OLD, backend.load(OLD).await)?;
            print_line(&format!("TRY {OTHER} {}", digest(&bytes)));
            report_store(OTHER, &bytes, backend.store(OTHER, bytes.clone()).await)?;
            first
        }
        "delete-store" => {
            let first = backend.delete(OLD).await;
            report_store(NEW, &bytes, backend.store(NEW, bytes.clone()).await)?;
            first
        }
        "store-empty" => report_store(NEW, b"", backend.store(NEW, Bytes::new()).await),
        "store-again" | "migrate-store-again" => {
            report_store(OLD, &bytes, backend.store(OLD, bytes.clone()).await)
        }
        "upload" | "upload-abort" | "upload-drop" => upload(backend, &bytes, operation).await,
        "load" | "load-cold" | "load-waits" | "migrate-load" => {
            report_load(OLD, backend.load(OLD).await)
        }
        "load-absent" => report_load(NEW, backend.load(NEW).await),
        "download" | "download-cold" => {
            let download = backend.download(OLD, ByteRange::Full).await?;
            let pieces: Vec<Bytes> = download.try_collect().await?;
            report_load(OLD, Ok(pieces.concat().into()))
        }
        "stat" => backend.stat(OLD).await.map(|_| ()),
        "list" => {
            let mut list = backend.list().await?;
            let mut found = false;
            while let Some(blob) = list.next().await {
                found |= blob?.id == OLD;
            }
            if !found {
                print_line(&format!("ABSENT {OLD}"));
            }
            Ok(())
        }
        "delete" | "migrate-delete" => {
            print_line(&format!("DELETE {OLD}"));
            backend.delete(OLD).await?;
            print_line(&format!("DELETED {OLD}"));
            Ok(())
        }
        "sweep" => backend.sweep(Duration::ZERO).await.map(|_| ()),
        "migrate" => backend.migrate().await,
        "examine" => {
            // The path of the root is the last argument.
            let root = std::env::args_os().next_back().unwrap_or_default();
            let examined = artifact_backend_fs::examine_folder(root.as_ref());
            examined.map(drop).map_err(|error| {
                Error::new(ErrorKind::Unexpected, artifact_backend::Operation::Probe)
                    .with_source(error)
            })
        }
        other => Err(
            Error::new(ErrorKind::Unsupported, artifact_backend::Operation::Open)
                .with_detail(format!("unknown operation {other}")),
        ),
    }
}

/// Creates a root without syncing it, which takes a fraction of the time that the backend needs. If `flat`,
/// it has layout version 1 and contains the old blob.
fn create_root(root: &std::path::Path, flat: bool) -> bool {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let create_folder = |path: &str| {
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(root.join(path))
    };
    let create_file = |path: &str, bytes: &[u8]| {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(root.join(path))?;
        file.write_all(bytes)
    };
    let mut made = create_folder("blobs").and(create_folder("staging"));
    if flat {
        made = made
            .and_then(|()| create_file(&format!("blobs/{OLD}"), &old()))
            .and_then(|()| create_file("artifact-format", b"artifact-backend-fs 1\n"));
    } else {
        for number in 0..16 {
            made = made.and_then(|()| create_folder(&format!("blobs/{number:x}")));
        }
        made = made.and_then(|()| create_file("artifact-format", b"artifact-backend-fs 2\n"));
    }
    made.is_ok()
}

async fn run(way: Way, operation: &str, root: &str) -> Result<()> {
    if operation == "open" {
        // Built before BEGIN, so that its system calls are not counted.
        let config = config(way, true);
        begin();
        let opened = FsBackend::open(root, config).await;
        print_line("END");
        let backend = opened?;
        print_line(&format!("TRY {OLD} {}", digest(&old())));
        return report_store(OLD, &old(), backend.store(OLD, old()).await);
    }
    print_line(&format!("TRY {OLD} {}", digest(&old())));
    if !create_root(std::path::Path::new(root), operation.starts_with("migrate")) {
        print_line("FAILED to create the root");
    }
    let config = config(way, operation != "load-waits");
    if operation == "migrate-open" {
        print_line(&format!("ACK {OLD} {}", digest(&old())));
        begin();
        let opened = FsBackend::open(root, config).await;
        print_line("END");
        return report_load(OLD, opened?.load(OLD).await);
    }
    let backend = FsBackend::open(root, config).await?;
    if operation.starts_with("migrate") {
        print_line(&format!("ACK {OLD} {}", digest(&old())));
    } else {
        report_store(OLD, &old(), backend.store(OLD, old()).await)?;
    }
    if operation == "sweep" {
        // A file that a crash could have left: no process holds its lock.
        let left =
            std::path::Path::new(root).join("staging/upload-0123456789abcdef0123456789abcdef");
        let made = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(left);
        drop(made.and_then(|mut file| file.write_all(b"left over")));
    }
    if operation == "load" {
        // Fills the caches, so that the load does not wait.
        backend.load(OLD).await?;
    }
    if operation.ends_with("-cold") {
        // Drops the blob from the page cache, which is possible because it was synced.
        let path = std::path::Path::new(root).join(format!("blobs/0/{OLD}"));
        let file = std::fs::OpenOptions::new().read(true).open(path);
        let advice = rustix::fs::Advice::DontNeed;
        let dropped = file.map(|file| rustix::fs::fadvise(&file, 0, None, advice));
        if !matches!(dropped, Ok(Ok(()))) {
            print_line("FAILED to drop the blob from the cache");
        }
    }
    let bytes = new(operation);
    let (id, tried) = match operation {
        "store-again" | "migrate-store-again" => (OLD, digest(&bytes)),
        "store-empty" => (NEW, digest(b"")),
        _ => (NEW, digest(&bytes)),
    };
    print_line(&format!("TRY {id} {tried}"));
    begin();
    let done = act(&backend, operation).await;
    print_line("END");
    if let Err(error) = &done {
        print_line(&format!("FAILED {error}"));
    }
    // If the process survives, the store must still work.
    report_load(OLD, backend.load(OLD).await).or(done)
}

/// Opens the store as a new process would, and checks it.
async fn check(way: Way, root: &str) -> Result<()> {
    // An operator removes the record of a failed sync after a repair. Without it, nothing changes.
    if rustix::fs::unlink(std::path::Path::new(root).join("failed-sync")).is_ok() {
        print_line("REMOVED failed-sync");
    }
    let backend = FsBackend::open(root, config(way, true)).await?;
    let mut list = backend.list().await?;
    let mut listed = Vec::new();
    while let Some(blob) = list.next().await {
        listed.push(blob?.id);
    }
    for id in [OLD, NEW] {
        match backend.load(id).await {
            Ok(bytes) if listed.contains(&id) => {
                print_line(&format!("HAVE {id} {}", digest(&bytes)));
            }
            Ok(_) => print_line(&format!(
                "BAD {id} a load finds the blob, but the list does not contain it"
            )),
            Err(error) if error.kind() == ErrorKind::NotFound && !listed.contains(&id) => {}
            Err(error) => print_line(&format!("BAD {id} {error}")),
        }
    }
    backend.sweep(Duration::ZERO).await?;
    for folder in ["staging", "."] {
        for entry in std::fs::read_dir(std::path::Path::new(root).join(folder))
            .into_iter()
            .flatten()
        {
            let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
            let known = ["blobs", "staging", "artifact-format"];
            if folder == "staging" || !known.iter().any(|known| name == *known) {
                print_line(&format!("STRAY {folder}/{} after a sweep", name.display()));
            }
        }
    }
    // A free id can be stored, a taken one cannot.
    for id in [OLD, NEW] {
        let free = !listed.contains(&id);
        let outcome = backend.store(id, Bytes::from_static(b"anything")).await;
        match outcome.map_err(|error| error.kind()) {
            Ok(()) if free => backend.delete(id).await?,
            Err(ErrorKind::AlreadyExists) if !free => {}
            other => print_line(&format!("BAD {id} a store of it was answered {other:?}")),
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let way = match arguments.first().map(String::as_str) {
        Some("--named") => Way::Named,
        Some("--portable") => Way::Portable,
        _ => Way::Unnamed,
    };
    if way != Way::Unnamed {
        arguments.remove(0);
    }
    let [operation, verb, root] = &arguments[..] else {
        println!("usage: syscall_subject [--named | --portable] OPERATION run|check ROOT");
        return ExitCode::from(2);
    };
    let done = match verb.as_str() {
        "check" => check(way, root).await,
        _ => run(way, operation, root).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_line(&format!("FAILED {error}"));
            // The tracer keeps the last lines of standard error.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
