//! Measures a look-up in quick_cache, which holds the cached rows, beside a map behind a mutex.
//!
//!     cargo run --release --manifest-path bench/Cargo.toml --bin caches
//!
//! 8,000 entries of 300 bytes behind an `Arc`; each thread looks up random keys that are present. The subjects take turns.

#![expect(clippy::print_stdout, reason = "the output is the result")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use artifact_backend::ArtifactId;

const ENTRIES: usize = 8_000;
const LOOK_UPS: u32 = 1_000_000;
const ROUNDS: usize = 9;

type Value = Arc<[u8; 300]>;

/// Returns nanoseconds per look-up of each thread.
fn measure(
    threads: usize,
    ids: &[ArtifactId],
    get: impl Fn(&ArtifactId) -> Option<Value> + Sync,
) -> f64 {
    let began = Instant::now();
    thread::scope(|scope| {
        for number in 1..=threads {
            let get = &get;
            scope.spawn(move || {
                let mut at = number;
                for _ in 0..LOOK_UPS {
                    at = (at * 5 + 1) % ids.len();
                    black_box(get(&ids[at]));
                }
            });
        }
    });
    began.elapsed().as_secs_f64() * 1e9 / f64::from(LOOK_UPS)
}

fn main() {
    let ids: Vec<_> = (0..ENTRIES).map(|_| ArtifactId::mint()).collect();
    let value: Value = Arc::new([0; 300]);
    let map: Mutex<HashMap<_, _>> =
        Mutex::new(ids.iter().map(|id| (*id, Arc::clone(&value))).collect());
    let quick = quick_cache::sync::Cache::new(2 * ENTRIES);
    for id in &ids {
        quick.insert(*id, Arc::clone(&value));
    }
    for threads in [1, 2, 4] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let in_map = measure(threads, &ids, |id| {
                map.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(id)
                    .cloned()
            });
            rounds.push((in_map, measure(threads, &ids, |id| quick.get(id))));
        }
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        };
        let in_map = median(rounds.iter().map(|round| round.0).collect());
        let in_quick = median(rounds.iter().map(|round| round.1).collect());
        println!(
            "{threads} threads: map behind a mutex {in_map:.0} ns, quick_cache {in_quick:.0} ns, ratio {:.2}",
            in_map / in_quick
        );
    }
}
