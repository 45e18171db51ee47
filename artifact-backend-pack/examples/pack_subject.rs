//! A subject for power-cut simulators and for faults at system calls. It prints each promise of the backend to standard output.
//! `artifact-crash-test` documents the line protocol.
//!
//!     pack_subject OPERATION run ROOT
//!     pack_subject OPERATION check ROOT
//!
//! The operation `mixed` stores, uploads and deletes blobs of many sizes from several tasks, fills segments and compacts them. `recycle`
//! fills a segment with small blobs, deletes most of them, and lets a later segment take the file of the compacted one. The others
//! run between the lines BEGIN and END, on a store that already contains one blob.

#![expect(
    clippy::print_stdout,
    reason = "the line protocol uses standard output"
)]

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::io::Write;
    use std::ops::Range;
    use std::path::Path;
    use std::process::ExitCode;
    use std::time::Duration;

    use artifact_backend::{
        ArtifactBackend, ArtifactId, ArtifactInventory, Error, ErrorKind, NoteEvent, NoteLog,
        NotedBackend, Operation, Result, Sha256Digest, StoreId,
    };
    use artifact_backend_pack::{PackBackend, PackConfig};
    use bytes::Bytes;
    use futures_util::StreamExt;
    use rustix::process::{Signal, getpid, kill_process};
    use sha2::{Digest, Sha256};
    use tokio::task::JoinSet;

    const WRITERS: u8 = 4;
    const BLOBS: u8 = 9;
    /// Stored before the operation begins.
    const OLD: ArtifactId = ArtifactId::from_bytes([0x0a; 16]);
    /// Stored by the operation.
    const NEW: ArtifactId = ArtifactId::from_bytes([0x0b; 16]);
    /// Stored by an operation that stores two blobs.
    const OTHER: ArtifactId = ArtifactId::from_bytes([0x0c; 16]);

    /// Prints a line with a single write, which simulators put in order with the file system operations.
    fn print_line(line: &str) {
        let mut out = std::io::stdout().lock();
        // After a power cut the simulator no longer reads.
        let _ = out
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| out.flush());
    }

    fn body(task: u8, blob: u8) -> Bytes {
        let sizes = [
            0, 10, 5_000, 70_000, 900_000, 4_096, 700_000, 2_000, 1_200_000,
        ];
        let size: u32 = sizes[usize::from(blob) % sizes.len()];
        let byte = |at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1] ^ task ^ (blob << 4);
        (0..size).map(byte).collect()
    }

    fn digest(bytes: &[u8]) -> Sha256Digest {
        Sha256Digest::from_bytes(Sha256::digest(bytes).into())
    }

    /// The note of a blob is its digest, over and over. Blobs whose id ends with a multiple of three have none.
    fn note(id: ArtifactId, bytes: &[u8]) -> Option<Bytes> {
        let number = id.as_bytes()[15];
        let times = 1 + usize::from(number % 7) * 10;
        let note = digest(bytes).as_bytes().repeat(times);
        (!number.is_multiple_of(3)).then(|| note.into())
    }

    /// Segments of the least size, which soon are full, and blobs of up to 1 MiB in them.
    fn config() -> PackConfig {
        PackConfig::default()
            .with_segment_bytes(*PackConfig::SEGMENT_BYTES.start())
            .with_max_packed_bytes(PackConfig::MAX_PACKED_BYTES)
    }

    async fn store(backend: &PackBackend, id: ArtifactId, bytes: &Bytes) -> Result<()> {
        print_line(&format!("TRY {id} {}", digest(bytes)));
        let stored = match note(id, bytes) {
            None => backend.store(id, bytes.clone()).await,
            Some(note) => backend.store_noted(id, bytes.clone(), note).await,
        };
        match stored {
            Ok(()) => print_line(&format!("ACK {id} {}", digest(bytes))),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                print_line(&format!("EXISTS {id}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn delete(backend: &PackBackend, id: ArtifactId) -> Result<()> {
        print_line(&format!("DELETE {id}"));
        backend.delete(id).await?;
        print_line(&format!("DELETED {id}"));
        Ok(())
    }

    async fn upload(backend: &PackBackend, id: ArtifactId, bytes: &Bytes) -> Result<()> {
        print_line(&format!("TRY {id} {}", digest(bytes)));
        let mut upload = backend.upload_noted(id).await?;
        for piece in bytes.chunks(60_000) {
            upload.write(bytes.slice_ref(piece)).await?;
        }
        upload
            .commit_noted(note(id, bytes).unwrap_or_default())
            .await?;
        print_line(&format!("ACK {id} {}", digest(bytes)));
        Ok(())
    }

    async fn mixed_task(backend: PackBackend, task: u8) -> Result<()> {
        for blob in 0..BLOBS {
            let mut id = [task.wrapping_mul(0x35); 16];
            id[15] = blob;
            let (id, bytes) = (ArtifactId::from_bytes(id), body(task, blob));
            if blob.is_multiple_of(2) {
                store(&backend, id, &bytes).await?;
            } else {
                upload(&backend, id, &bytes).await?;
            }
            if blob.is_multiple_of(4) {
                delete(&backend, id).await?;
            } else {
                // The same id again: `AlreadyExists` is a promise too.
                store(&backend, id, &bytes).await?;
            }
        }
        Ok(())
    }

    async fn mixed(backend: &PackBackend) -> Result<()> {
        let tasks = (0..WRITERS).map(|task| tokio::spawn(mixed_task(backend.clone(), task)));
        let mut done = Ok(());
        for task in tasks.collect::<Vec<_>>() {
            let stopped = |_| Error::new(ErrorKind::Unexpected, Operation::Store);
            done = done.and(task.await.map_err(stopped).and_then(|done| done));
        }
        done?;
        backend.sweep(Duration::ZERO).await?;
        let last = ArtifactId::from_bytes([0xee; 16]);
        store(backend, last, &body(9, 2)).await
    }

    /// Does something for each number, for 64 at the same time.
    async fn each<F>(numbers: Range<u16>, work: impl Fn(u16) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        for begin in numbers.clone().step_by(64) {
            let group = begin..numbers.end.min(begin + 64);
            let mut tasks: JoinSet<_> = group.map(&work).collect();
            while let Some(done) = tasks.join_next().await {
                let stopped = |_| Error::new(ErrorKind::Unexpected, Operation::Store);
                done.map_err(stopped)??;
            }
        }
        Ok(())
    }

    async fn recycle(backend: &PackBackend) -> Result<()> {
        let id = |number: u16| {
            let mut id = [0x77; 16];
            id[..2].copy_from_slice(&number.to_le_bytes());
            ArtifactId::from_bytes(id)
        };
        let fill = |number: u16| {
            let backend = backend.clone();
            // No whole block of the segment belongs to one blob, so a delete leaves no hole.
            let bytes = Bytes::from(vec![number.to_le_bytes()[0]; 4_000]);
            async move { store(&backend, id(number), &bytes).await }
        };
        each(0..1_100, fill).await?;
        let remove = |number: u16| {
            let backend = backend.clone();
            async move { delete(&backend, id(number)).await }
        };
        each(0..900, remove).await?;
        backend.sweep(Duration::ZERO).await?;
        each(1_100..2_200, fill).await
    }

    async fn act(backend: &PackBackend, operation: &str) -> Result<()> {
        let (small, large) = (body(20, 2), Bytes::from(vec![7; 1_500_000]));
        match operation {
            "store" => store(backend, NEW, &small).await,
            "store-twice" => {
                let first = store(backend, NEW, &small).await;
                store(backend, OTHER, &small).await?;
                first
            }
            "store-large" => {
                let first = store(backend, NEW, &large).await;
                store(backend, OTHER, &small).await?;
                first
            }
            "delete-store" => {
                let first = delete(backend, OLD).await;
                store(backend, NEW, &small).await?;
                first
            }
            "seal" => {
                // The segment has room for four of them.
                let mut first = Ok(());
                for number in 0..6 {
                    let id = ArtifactId::from_bytes([0x20 + number; 16]);
                    first = first.and(store(backend, id, &body(number, 4)).await);
                }
                first
            }
            other => Err(Error::new(ErrorKind::Unsupported, Operation::Open)
                .with_detail(format!("unknown operation {other}"))),
        }
    }

    async fn run(operation: &str, root: &str) -> Result<()> {
        let backend = PackBackend::open(root, config()).await?;
        match operation {
            "mixed" => return mixed(&backend).await,
            "recycle" => return recycle(&backend).await,
            _ => {}
        }
        store(&backend, OLD, &body(30, 2)).await?;
        // The committer writes the mark behind a frame after its answer, and takes this request after that.
        backend.create_store_id(StoreId::mint()).await?;
        print_line("BEGIN");
        // Tells the tracer, which ignores what was before.
        let _ = kill_process(getpid(), Signal::URG);
        let done = act(&backend, operation).await;
        print_line("END");
        done
    }

    /// Compares the replay with the blobs: each has its note, no note lacks its blob, and what was deleted stays so.
    async fn check_notes(backend: &PackBackend) -> Result<()> {
        let mut replayed = HashMap::new();
        let mut events = backend.replay(None).await?.events;
        while let Some(event) = events.next().await {
            match event? {
                NoteEvent::Stored { id, note, .. } => replayed.insert(id, Some(note)),
                NoteEvent::Deleted { id } => replayed.insert(id, None),
                _ => None,
            };
        }
        let mut list = backend.list().await?;
        while let Some(blob) = list.next().await {
            let id = blob?.id;
            let Ok(bytes) = backend.load(id).await else {
                continue;
            };
            match replayed.remove(&id) {
                Some(Some(found)) if found == note(id, &bytes) => {}
                found => print_line(&format!("BAD {id} its note is {found:?}")),
            }
        }
        for (id, found) in replayed {
            if found.is_some() {
                print_line(&format!("BAD {id} a note without its blob"));
            }
        }
        Ok(())
    }

    /// Opens the root after a crash as a new process would, and prints every blob.
    async fn check(root: &str) -> Result<()> {
        // An operator removes the record of a failed sync after a repair.
        let _ = rustix::fs::unlink(Path::new(root).join("large/failed-sync"));
        let backend = PackBackend::open(root, config()).await?;
        for swept in [false, true] {
            if swept {
                backend.sweep(Duration::ZERO).await?;
            }
            let mut list = backend.list().await?;
            while let Some(blob) = list.next().await {
                let id = blob?.id;
                match backend.load(id).await {
                    Ok(bytes) if !swept => print_line(&format!("HAVE {id} {}", digest(&bytes))),
                    Ok(_) => {}
                    Err(error) => print_line(&format!("BAD {id} swept {swept}: {error}")),
                }
            }
        }
        check_notes(&backend).await?;
        let new = ArtifactId::mint();
        backend.store(new, "after the crash".into()).await?;
        backend.delete(new).await
    }

    pub(super) async fn main() -> ExitCode {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let [operation, verb, root] = &arguments[..] else {
            println!("usage: pack_subject OPERATION run|check ROOT");
            return ExitCode::from(2);
        };
        let done = match verb.as_str() {
            "check" => check(root).await,
            _ => run(operation, root).await,
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
}

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    linux::main().await
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("artifact-backend-pack works on Linux only");
}
