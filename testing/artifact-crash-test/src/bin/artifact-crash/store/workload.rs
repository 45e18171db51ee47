//! The workload of a store: several threads, which sometimes store the same id at once.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Barrier;

use artifact_crash_test::{Digest, Random, Visible};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

use super::put::{PutError, PutOutcome, Store};
use super::recipe::Recipe;

/// The size of the workload.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Workload {
    /// The number of blobs that each thread stores.
    #[arg(long, default_value_t = 8)]
    pub(crate) rounds: usize,
    /// The number of threads that store at once.
    #[arg(long, default_value_t = 3)]
    pub(crate) threads: usize,
}

/// The blob sizes in bytes: empty, less than a sector, a few pages, several writes.
const SIZES: [usize; 6] = [700, 5_000, 0, 20_000, 1, 66_000];

/// Runs `run ROOT`: stores blobs, prints the protocol lines, and fails if a store failed.
pub(crate) fn run(recipe: Recipe, root: &Path, workload: Workload) -> anyhow::Result<()> {
    let Workload { rounds, threads } = workload;
    let store = Store::open(recipe, root)?;
    let barrier = Barrier::new(threads);
    print_line("BEGIN")?;
    // Tells the tracer, if there is one.
    kill_process(getpid(), Signal::URG)?;
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || worker(store, barrier, rounds, thread))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no worker panics"))
            .collect()
    });
    print_line("END")?;
    results.into_iter().collect()
}

fn worker(store: &Store, barrier: &Barrier, rounds: usize, thread: usize) -> anyhow::Result<()> {
    let mut result = Ok(());
    for round in 0..rounds {
        // In every third round, all threads store the same id at the same moment, each with its own bytes.
        let contended = round % 3 == 2;
        let id = id(round, if contended { usize::MAX } else { thread });
        // Then the sizes are equal too, so that the threads also meet at the publishing step.
        let size = SIZES[(if contended { round / 3 } else { round + thread }) % SIZES.len()];
        let bytes = bytes(round, thread, size);
        barrier.wait();
        let stored = put(store, &id, &bytes);
        let stored = match stored {
            // Deletes every fourth blob, unless other threads store the same id.
            Ok(Some(PutOutcome::Stored)) if round % 4 == 3 && !contended => delete(store, &id),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        // Other threads wait at the barrier, so a failed thread continues and reports its first error at
        // the end.
        result = result.and(stored);
    }
    result
}

fn put(store: &Store, id: &str, bytes: &[u8]) -> anyhow::Result<Option<PutOutcome>> {
    let digest = Digest::of(bytes);
    print_line(&format!("TRY {id} {digest}"))?;
    // After a simulated crash the line can no longer be written. That error is ignored.
    let acknowledge = || drop(print_line(&format!("ACK {id} {digest}")));
    match store.put(id, bytes, acknowledge) {
        Err(PutError::Step("O_TMPFILE", Errno::OPNOTSUPP)) => {
            print_line("UNSUPPORTED this file system has no O_TMPFILE")?;
            Ok(None)
        }
        Ok(answer) => {
            if answer == PutOutcome::Exists {
                print_line(&format!("EXISTS {id}"))?;
            }
            Ok(Some(answer))
        }
        Err(error) => Err(error.into()),
    }
}

fn delete(store: &Store, id: &str) -> anyhow::Result<()> {
    print_line(&format!("DELETE {id}"))?;
    store.delete(id)?;
    print_line(&format!("DELETED {id}"))?;
    Ok(())
}

/// Runs `check ROOT`: prints a line for each visible item.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for visible in Recipe::layout().inspect(root)? {
        match visible {
            Visible::Blob(id, digest) => print_line(&format!("HAVE {id} {digest}"))?,
            Visible::Unreadable(id, why) => print_line(&format!("BAD {id} {why}"))?,
            Visible::Stray(path) => print_line(&format!("STRAY {path}"))?,
            _ => {}
        }
    }
    Ok(())
}

/// Prints one line by one write.
fn print_line(line: &str) -> io::Result<()> {
    io::stdout()
        .lock()
        .write_all(format!("{line}\n").as_bytes())
}

fn id(round: usize, thread: usize) -> String {
    let digest = Digest::of(format!("id {round} {thread}").as_bytes()).to_string();
    digest[..32].to_owned()
}

fn bytes(round: usize, thread: usize, size: usize) -> Vec<u8> {
    let mut random = Random::of(0, round as u64, thread as u64);
    let words = std::iter::repeat_with(|| random.next_u64().to_le_bytes());
    words.take(size.div_ceil(8)).flatten().take(size).collect()
}
