//! One of several processes that race on one folder. Its threads store, upload, load, delete and sweep the
//! same few ids and check every result.
//!
//!     race_subject [--named] SEED ROUNDS ROOT
//!
//! It prints `ACK id sha256` for each acknowledged store, `GOT id sha256` for each load, and `BAD ...` for each
//! violation that a single thread can see.

#![expect(clippy::print_stdout, reason = "the test reads these lines")]

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Error, ErrorKind, Result,
    Sha256Digest,
};
use artifact_backend_fs::{FsBackend, FsConfig};
use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

const THREADS: u64 = 64;
/// The number of ids. The first half is never deleted.
const IDS: u64 = 24;

fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
}

/// A simple pseudo-random generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
    }
}

fn id(number: u64) -> ArtifactId {
    let mut bytes = [0xc0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    ArtifactId::from_bytes(bytes)
}

/// Returns bytes that contain their id and writer and end with their own digest.
fn body(id: ArtifactId, writer: u64, size: u64) -> Bytes {
    let mut bytes = id.to_string().into_bytes();
    bytes.extend_from_slice(&writer.to_be_bytes());
    bytes.extend((0..size).map(|at| (at ^ writer).to_le_bytes()[0]));
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    bytes.extend_from_slice(&digest);
    bytes.into()
}

fn is_whole(id: ArtifactId, bytes: &[u8]) -> bool {
    let Some((bytes, digest)) = bytes.split_last_chunk::<32>() else {
        return false;
    };
    let known: [u8; 32] = Sha256::digest(bytes).into();
    bytes.starts_with(id.to_string().as_bytes()) && known == *digest
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

async fn upload(backend: &FsBackend, id: ArtifactId, bytes: &Bytes) -> Result<()> {
    let mut upload = backend.upload(id).await?;
    for piece in bytes.chunks(50_000) {
        upload.write(bytes.slice_ref(piece)).await?;
    }
    upload.commit().await
}

async fn download(backend: &FsBackend, id: ArtifactId) -> Result<Bytes> {
    let download = backend.download(id, ByteRange::Full).await?;
    let pieces: Vec<Bytes> = download.try_collect().await?;
    Ok(pieces.concat().into())
}

async fn thread(backend: FsBackend, seed: u64, rounds: u64) {
    let mut random = Random(seed | 1);
    // The ids that this thread knows to exist for ever.
    let mut known = vec![false; usize::try_from(IDS).unwrap_or(0)];
    for round in 0..rounds {
        let number = random.next() % IDS;
        let (id, stays) = (id(number), number < IDS / 2);
        let slot = usize::try_from(number).unwrap_or(0);
        let size = [0, 100, 5_000, 120_000][usize::try_from(random.next() % 4).unwrap_or(0)];
        let expect = |error: Error, allowed: &[ErrorKind], operation: &str| {
            if !allowed.contains(&error.kind()) {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                print_line(&format!(
                    "BAD {operation} of {id} failed: {error}: {cause:?}"
                ));
            }
        };
        match random.next() % 100 {
            action @ 0..40 => {
                let bytes = body(id, seed ^ round, size);
                let stored = if action % 2 == 0 {
                    backend.store(id, bytes.clone()).await
                } else {
                    upload(&backend, id, &bytes).await
                };
                match stored {
                    Ok(()) => print_line(&format!("ACK {id} {}", digest(&bytes))),
                    Err(error) => expect(error, &[ErrorKind::AlreadyExists], "a store"),
                }
                known[slot] |= stays;
            }
            action @ 40..80 => {
                let loaded = if action % 2 == 0 {
                    backend.load(id).await
                } else {
                    download(&backend, id).await
                };
                match loaded {
                    Ok(bytes) if is_whole(id, &bytes) => {
                        print_line(&format!("GOT {id} {}", digest(&bytes)));
                        known[slot] |= stays;
                    }
                    Ok(bytes) => print_line(&format!("BAD {id} was read as {} bytes", bytes.len())),
                    Err(error) if known[slot] => {
                        print_line(&format!("BAD {id} exists, but a load failed: {error}"));
                    }
                    Err(error) => expect(error, &[ErrorKind::NotFound], "a load"),
                }
            }
            80..92 if !stays => {
                if let Err(error) = backend.delete(id).await {
                    expect(error, &[], "a deletion");
                }
            }
            92..97 => {
                if let Err(error) = backend.sweep(Duration::ZERO).await {
                    expect(error, &[], "a sweep");
                }
            }
            _ => match backend.list().await {
                Ok(list) => match list.try_collect::<Vec<_>>().await {
                    Ok(blobs) => {
                        for (slot, known) in known.iter().enumerate() {
                            let id = self::id(slot as u64);
                            if *known && blobs.iter().filter(|blob| blob.id == id).count() != 1 {
                                print_line(&format!(
                                    "BAD {id} exists, but a list does not show it once"
                                ));
                            }
                        }
                    }
                    Err(error) => expect(error, &[], "a list"),
                },
                Err(error) => expect(error, &[], "a list"),
            },
        }
    }
}

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let named = arguments.first().is_some_and(|word| word == "--named");
    if named {
        arguments.remove(0);
    }
    let [seed, rounds, root] = &arguments[..] else {
        println!("usage: race_subject [--named] SEED ROUNDS ROOT");
        return ExitCode::from(2);
    };
    let (Ok(seed), Ok(rounds)) = (seed.parse::<u64>(), rounds.parse::<u64>()) else {
        return ExitCode::from(2);
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().build();
    let config = FsConfig::default().with_named_staging(named);
    let opened = runtime().map(|runtime| runtime.block_on(FsBackend::open(root, config)));
    let Ok(Ok(backend)) = opened else {
        print_line("BAD the root cannot be opened");
        return ExitCode::FAILURE;
    };
    let barrier = Arc::new(Barrier::new(usize::try_from(THREADS).unwrap_or(1)));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (backend, barrier) = (backend.clone(), Arc::clone(&barrier));
            let seed = (seed << 32) + (number << 16) + 0x1234;
            std::thread::spawn(move || {
                barrier.wait();
                if let Ok(runtime) = runtime() {
                    runtime.block_on(thread(backend, seed, rounds));
                }
            })
        })
        .collect();
    for thread in threads {
        if thread.join().is_err() {
            print_line("BAD a thread panicked");
        }
    }
    print_line("DONE");
    ExitCode::SUCCESS
}
