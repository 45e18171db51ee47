//! What a store is made to do: several threads, some of them after the same id.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Barrier;

use artifact_crash_test::{Digest, Random, Visible};
use rustix::io::Errno;

use super::put::{Answer, Failure, Store};
use super::recipe::Recipe;

/// How much is stored.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Workload {
    /// How many blobs each thread stores.
    #[arg(long, default_value_t = 8)]
    pub(crate) rounds: usize,
    /// How many threads store at once.
    #[arg(long, default_value_t = 3)]
    pub(crate) threads: usize,
}

/// A store of each size of interest: empty, below a sector, a few pages, several writes.
const SIZES: [usize; 6] = [700, 5_000, 0, 20_000, 1, 66_000];

/// `run ROOT`: stores, says, and fails if a store failed.
pub(crate) fn run(recipe: Recipe, root: &Path, workload: Workload) -> anyhow::Result<()> {
    let Workload { rounds, threads } = workload;
    let store = Store::open(recipe, root)?;
    let barrier = Barrier::new(threads);
    say("BEGIN")?;
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
    say("END")?;
    results.into_iter().collect()
}

fn worker(store: &Store, barrier: &Barrier, rounds: usize, thread: usize) -> anyhow::Result<()> {
    let mut result = Ok(());
    for round in 0..rounds {
        // Every third round all threads want one id, at the same moment, each with its own bytes.
        let contended = round % 3 == 2;
        let id = id(round, if contended { usize::MAX } else { thread });
        // Of one size then, so that they also meet at the step that decides.
        let size = SIZES[(if contended { round / 3 } else { round + thread }) % SIZES.len()];
        let bytes = bytes(round, thread, size);
        barrier.wait();
        let stored = one(store, &id, &bytes);
        let stored = match stored {
            // Every fourth blob that is nobody else's is deleted again.
            Ok(Some(Answer::Stored)) if round % 4 == 3 && !contended => delete(store, &id),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        // Others wait at the barrier: go on, and say the first failure at the end.
        result = result.and(stored);
    }
    result
}

fn one(store: &Store, id: &str, bytes: &[u8]) -> anyhow::Result<Option<Answer>> {
    let digest = Digest::of(bytes);
    say(&format!("TRY {id} {digest}"))?;
    // A line that can no longer be written is not said: that is what a crash is.
    let acknowledge = || drop(say(&format!("ACK {id} {digest}")));
    match store.put(id, bytes, acknowledge) {
        Err(Failure::Step("O_TMPFILE", Errno::OPNOTSUPP)) => {
            say("UNSUPPORTED this file system has no O_TMPFILE")?;
            Ok(None)
        }
        Ok(answer) => {
            if answer == Answer::Exists {
                say(&format!("EXISTS {id}"))?;
            }
            Ok(Some(answer))
        }
        Err(failure) => Err(failure.into()),
    }
}

fn delete(store: &Store, id: &str) -> anyhow::Result<()> {
    say(&format!("DELETE {id}"))?;
    store.delete(id)?;
    say(&format!("DELETED {id}"))?;
    Ok(())
}

/// `check ROOT`: says what is visible.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for visible in Recipe::layout().inspect(root)? {
        match visible {
            Visible::Blob(id, digest) => say(&format!("HAVE {id} {digest}"))?,
            Visible::Unreadable(id, why) => say(&format!("BAD {id} {why}"))?,
            Visible::Stray(what) => say(&format!("STRAY {what}"))?,
            _ => {}
        }
    }
    Ok(())
}

/// One line by one write.
fn say(line: &str) -> io::Result<()> {
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
