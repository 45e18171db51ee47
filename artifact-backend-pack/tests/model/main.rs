//! Models of what callers and the committer share, the queue and the index: loom runs every interleaving of the threads.

#![cfg(unix)]

use std::sync::atomic::{AtomicUsize, Ordering};

use loom::sync::Arc;
use loom::thread;
use queue::{Queue, Queued};

mod index;
mod linux;
#[path = "../../src/linux/queue.rs"]
mod queue;

mod sync {
    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::sync::{
        Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    };
}

mod format {
    pub(crate) use artifact_backend_pack::format::{entry, filter};
}

/// A request that counts how it ended.
#[derive(Debug)]
struct Counted {
    number: usize,
    refused: Arc<loom::sync::atomic::AtomicUsize>,
}

impl Queued for Counted {
    fn length(&self) -> usize {
        1
    }

    fn refuse(self) {
        self.refused.fetch_add(1, Ordering::AcqRel);
    }
}

#[test]
fn every_request_is_taken_once_or_refused() {
    // The number of interleavings in which none, one, two or three requests were taken.
    let ends = std::sync::Arc::new([const { AtomicUsize::new(0) }; 4]);
    let seen = std::sync::Arc::clone(&ends);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let queue = Arc::new(Queue::new(2));
        let refused = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let committer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut taken = Vec::new();
                while let Some(group) = queue.take() {
                    assert!((1..=2).contains(&group.len()), "a group has its limit");
                    taken.extend(group.into_iter().map(|request: Counted| request.number));
                }
                taken
            })
        };
        let caller = {
            let (queue, refused) = (Arc::clone(&queue), Arc::clone(&refused));
            thread::spawn(move || {
                queue.push(Counted { number: 0, refused });
            })
        };
        for number in [1, 2] {
            let refused = Arc::clone(&refused);
            queue.push(Counted { number, refused });
        }
        queue.close();
        caller.join().expect("a caller does not panic");
        let taken = committer.join().expect("the committer ends");
        let refused = refused.load(Ordering::Acquire);
        assert_eq!(taken.len() + refused, 3, "{taken:?} were taken");
        let mut once = taken.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), taken.len(), "{taken:?} were taken");
        let place = |number| taken.iter().position(|taken| *taken == number);
        assert!(
            place(1) < place(2),
            "both were pushed before the close: {taken:?}"
        );
        seen[taken.len()].fetch_add(1, Ordering::Relaxed);
    });
    let ends = [0, 1, 2, 3].map(|taken: usize| ends[taken].load(Ordering::Relaxed));
    assert_eq!(ends[..2], [0, 0]);
    assert!(
        ends[2] > 0 && ends[3] > 0,
        "one request comes before or after the close: {ends:?}"
    );
}

#[test]
fn a_committer_that_waits_is_woken_by_each_request() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(8));
        let refused = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let caller = {
            let (queue, refused) = (Arc::clone(&queue), Arc::clone(&refused));
            thread::spawn(move || {
                for number in 0..2 {
                    let refused = Arc::clone(&refused);
                    queue.push(Counted { number, refused });
                }
            })
        };
        let mut taken = 0;
        while taken < 2 {
            taken += queue.take().map_or(0, |group| group.len());
        }
        caller.join().expect("a caller does not panic");
        queue.abandon();
        assert!(queue.take().is_none());
    });
}
