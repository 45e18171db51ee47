//! Models of what callers and the committer share, the queue and the index: loom runs every interleaving of the threads.

#![cfg(unix)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use linux::patience::Patience;
use loom::sync::Arc;
use loom::thread;
use queue::{Queue, Queued};

mod index;
mod linux;
#[path = "../../src/linux/queue.rs"]
mod queue;

mod sync {
    use std::time::Duration;

    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::sync::{
        Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    };

    /// The time is over at some moment. What other threads do until then is what they do while the mutex is free.
    pub(crate) fn wait_timeout<'a, T>(
        _condvar: &Condvar,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        _timeout: Duration,
    ) -> MutexGuard<'a, T> {
        drop(guard);
        loom::thread::yield_now();
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
                let mut patience = Patience::new();
                while let Some(group) = queue.take(&mut patience) {
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
        let mut patience = Patience::new();
        let mut taken = 0;
        while taken < 2 {
            taken += queue.take(&mut patience).map_or(0, |group| group.len());
        }
        caller.join().expect("a caller does not panic");
        queue.abandon();
        assert!(queue.take(&mut patience).is_none());
    });
}

#[test]
fn a_group_is_taken_whether_or_not_the_expected_callers_come() {
    // The number of interleavings in which the first group had one request, or two.
    let groups = std::sync::Arc::new([const { AtomicUsize::new(0) }; 2]);
    let seen = std::sync::Arc::clone(&groups);
    loom::model(move || {
        let queue = Arc::new(Queue::new(8));
        let refused = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let callers: Vec<_> = (0..2)
            .map(|number| {
                let (queue, refused) = (Arc::clone(&queue), Arc::clone(&refused));
                thread::spawn(move || queue.push(Counted { number, refused }))
            })
            .collect();
        let mut patience = Patience::new();
        patience.committed(2, 0, Duration::ZERO);
        let first = queue.take(&mut patience).expect("the queue is open").len();
        seen[first - 1].fetch_add(1, Ordering::Relaxed);
        assert_eq!(patience.wanted(), first, "as many as came");
        if first == 1 {
            let second = queue.take(&mut patience).expect("the queue is open");
            assert_eq!(second.len(), 1);
        }
        for caller in callers {
            caller.join().expect("a caller does not panic");
        }
        assert_eq!(queue.len(), 0);
    });
    let groups = [0, 1].map(|at: usize| groups[at].load(Ordering::Relaxed));
    assert!(groups[0] > 0 && groups[1] > 0, "{groups:?}");
}
