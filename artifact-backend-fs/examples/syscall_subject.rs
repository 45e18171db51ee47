//! A subject for sweeps over system calls: one operation between the lines BEGIN and END, on a store
//! that already holds one blob. `artifact-crash-test` describes the lines.
//!
//!     syscall_subject [--named] OPERATION run ROOT
//!     syscall_subject [--named] OPERATION check ROOT

#![expect(clippy::print_stdout, reason = "the lines are the protocol")]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Error, ErrorKind, Result,
    Sha256Digest,
};
use artifact_backend_fs::{FsBackend, FsConfig};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

/// There before the operation begins.
const OLD: ArtifactId = ArtifactId::from_bytes([0x0a; 16]);
/// What the operation stores.
const NEW: ArtifactId = ArtifactId::from_bytes([0x0b; 16]);

/// One line, by one write.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever reads it may be gone, which changes nothing here.
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// Pages that each end with their number, so that none can stand for another.
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
    // Past two steps of write-back, so that space is set aside and given back.
    let large = operation.starts_with("upload");
    body(if large { 2_300_000 } else { 5_000 }, 2)
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Says what a store was answered.
fn answered(id: ArtifactId, bytes: &[u8], outcome: Result<()>) -> Result<()> {
    match outcome {
        Ok(()) => say(&format!("ACK {id} {}", digest(bytes))),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => say(&format!("EXISTS {id}")),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Says what a load was answered.
fn read(id: ArtifactId, outcome: Result<Bytes>) -> Result<()> {
    match outcome {
        Ok(bytes) => say(&format!("GOT {id} {}", digest(&bytes))),
        Err(error) if error.kind() == ErrorKind::NotFound => say(&format!("ABSENT {id}")),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn config(named: bool, inline: bool) -> FsConfig {
    let config = FsConfig::default().with_named_staging(named);
    if inline {
        config
    } else {
        config.with_inline_read_bytes(0)
    }
}

async fn upload(backend: &FsBackend, bytes: &Bytes, ending: &str) -> Result<()> {
    let mut upload = backend.upload(NEW).await?;
    // More than comes, so that something is to be given back.
    upload.expect_size(bytes.len() as u64 + 100_000);
    for piece in bytes.chunks(700_000) {
        upload.write(bytes.slice_ref(piece)).await?;
    }
    match ending {
        "upload" => answered(NEW, bytes, upload.commit().await),
        "upload-abort" => upload.abort().await,
        _ => {
            // Away from the runtime, which would do it later, at no certain time.
            let dropped = std::thread::spawn(move || drop(upload)).join();
            dropped
                .map_err(|_| Error::new(ErrorKind::Unexpected, artifact_backend::Operation::Abort))
        }
    }
}

async fn act(backend: &FsBackend, operation: &str) -> Result<()> {
    let bytes = new(operation);
    match operation {
        "store" => answered(NEW, &bytes, backend.store(NEW, bytes.clone()).await),
        "store-empty" => answered(NEW, b"", backend.store(NEW, Bytes::new()).await),
        "store-again" => answered(OLD, &bytes, backend.store(OLD, bytes.clone()).await),
        "upload" | "upload-abort" | "upload-drop" => upload(backend, &bytes, operation).await,
        "load" | "load-cold" | "load-waits" => read(OLD, backend.load(OLD).await),
        "load-absent" => read(NEW, backend.load(NEW).await),
        "download" | "download-cold" => {
            let download = backend.download(OLD, ByteRange::Full).await?;
            let pieces: Vec<Bytes> = download.try_collect().await?;
            read(OLD, Ok(pieces.concat().into()))
        }
        "stat" => backend.stat(OLD).await.map(|_| ()),
        "list" => {
            let mut list = backend.list().await?;
            let mut found = false;
            while let Some(blob) = list.next().await {
                found |= blob?.id == OLD;
            }
            if !found {
                say(&format!("ABSENT {OLD}"));
            }
            Ok(())
        }
        "delete" => {
            say(&format!("DELETE {OLD}"));
            backend.delete(OLD).await?;
            say(&format!("DELETED {OLD}"));
            Ok(())
        }
        "sweep" => backend.sweep(Duration::ZERO).await.map(|_| ()),
        other => Err(
            Error::new(ErrorKind::Unsupported, artifact_backend::Operation::Open)
                .with_detail(format!("no operation is called {other}")),
        ),
    }
}

async fn run(named: bool, operation: &str, root: &str) -> Result<()> {
    if operation == "open" {
        // The default asks for the number of cores, in files of its own.
        let config = config(named, true);
        say("BEGIN");
        let opened = FsBackend::open(root, config).await;
        say("END");
        let backend = opened?;
        say(&format!("TRY {OLD} {}", digest(&old())));
        return answered(OLD, &old(), backend.store(OLD, old()).await);
    }
    let backend = FsBackend::open(root, config(named, operation != "load-waits")).await?;
    say(&format!("TRY {OLD} {}", digest(&old())));
    answered(OLD, &old(), backend.store(OLD, old()).await)?;
    if operation == "sweep" {
        // A file that a crash would have left: no process holds its lock.
        let left =
            std::path::Path::new(root).join("staging/upload-0123456789abcdef0123456789abcdef");
        let made = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(left);
        drop(made.and_then(|mut file| file.write_all(b"left over")));
    }
    if operation == "load" {
        // Into the caches, so that nothing has to be waited for.
        backend.load(OLD).await?;
    }
    if operation.ends_with("-cold") {
        // Out of the page cache: it was synced, so nothing keeps it there.
        let path = std::path::Path::new(root).join(format!("blobs/{OLD}"));
        let file = std::fs::OpenOptions::new().read(true).open(path);
        let advice = rustix::fs::Advice::DontNeed;
        let dropped = file.map(|file| rustix::fs::fadvise(&file, 0, None, advice));
        if !matches!(dropped, Ok(Ok(()))) {
            say("FAILED to drop the blob from the cache");
        }
    }
    let bytes = new(operation);
    let (id, tried) = match operation {
        "store-again" => (OLD, digest(&bytes)),
        "store-empty" => (NEW, digest(b"")),
        _ => (NEW, digest(&bytes)),
    };
    say(&format!("TRY {id} {tried}"));
    say("BEGIN");
    let done = act(&backend, operation).await;
    say("END");
    if let Err(error) = &done {
        say(&format!("FAILED {error}"));
    }
    // Afterwards it must go on as if nothing had been, if it goes on.
    read(OLD, backend.load(OLD).await).or(done)
}

/// Opens the store as the next process would, and looks whether it is whole.
async fn check(named: bool, root: &str) -> Result<()> {
    let backend = FsBackend::open(root, config(named, true)).await?;
    let mut list = backend.list().await?;
    let mut listed = Vec::new();
    while let Some(blob) = list.next().await {
        listed.push(blob?.id);
    }
    for id in [OLD, NEW] {
        match backend.load(id).await {
            Ok(bytes) if listed.contains(&id) => say(&format!("HAVE {id} {}", digest(&bytes))),
            Ok(_) => say(&format!("BAD {id} it is there and not listed")),
            Err(error) if error.kind() == ErrorKind::NotFound && !listed.contains(&id) => {}
            Err(error) => say(&format!("BAD {id} {error}")),
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
                say(&format!("STRAY {folder}/{} after a sweep", name.display()));
            }
        }
    }
    // An id that is free can be taken, one that is not cannot, and what is there stays.
    for id in [OLD, NEW] {
        let free = !listed.contains(&id);
        let outcome = backend.store(id, Bytes::from_static(b"anything")).await;
        match outcome.map_err(|error| error.kind()) {
            Ok(()) if free => backend.delete(id).await?,
            Err(ErrorKind::AlreadyExists) if !free => {}
            other => say(&format!("BAD {id} a store of it was answered {other:?}")),
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let named = arguments.first().is_some_and(|word| word == "--named");
    if named {
        arguments.remove(0);
    }
    let [operation, verb, root] = &arguments[..] else {
        println!("usage: syscall_subject [--named] OPERATION run|check ROOT");
        return ExitCode::from(2);
    };
    let done = match verb.as_str() {
        "check" => check(named, root).await,
        _ => run(named, operation, root).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("FAILED {error}"));
            ExitCode::FAILURE
        }
    }
}
